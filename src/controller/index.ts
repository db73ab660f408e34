export { MultiClusterLeaseController, type ControllerOptions } from "./controller.ts";
export type { ControllerSettings } from "./resolve-controller.ts";
export { ControllerServer, type ControllerServerParts, type ServedController } from "./server.ts";
export type { HttpAddress } from "./settings.ts";
