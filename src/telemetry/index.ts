export type { LoopDelay } from "../system/loop-delay.ts";
export { prometheusMetrics } from "./prometheus.ts";
export type { MeteredElector, PrometheusMetrics, PrometheusOptions } from "./prometheus.ts";
