import { defineConfig } from "vitest/config";

// Projects run one after the other: process tests judge real time, so nothing else may run beside them, not even
// another process test.
export default defineConfig({
  test: {
    passWithNoTests: false,
    reporters: process.env["CI"] ? ["default"] : [["default", { summary: false }]],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/process/**", "test/package/**", "test/servers/**"],
          testTimeout: 20_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          globalSetup: ["test/package/pack.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "process",
          include: ["test/process/**/*.test.ts"],
          exclude: ["test/process/**/*.long.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "process-long", // not part of `npm test`
          include: ["test/process/**/*.long.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: "servers", // not part of `npm test`: real servers, which are found, started or built
          include: ["test/servers/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 600_000, // a first build
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
