// Goal: whoever opens a storage without its package is told which one to install. Method: a fresh process opens each
// URL in the folder of a consumer who has installed tenure and nothing beside it.
import { expect, it } from "vitest";
import { evaluate } from "./installed.ts";

it.each([
  ["s3://bucket/prefix?region=eu-central-1", "@aws-sdk/client-s3"],
  ["postgres://host/database", "pg"],
])("%s needs %s", (url, name) => {
  const thrown = evaluate<{ code: string; message: string }>(`
    import { openStorage } from "tenure/storage";
    const thrown = await openStorage(${JSON.stringify(url)}).catch((error) => error);
    console.log(JSON.stringify({ code: thrown.code, message: thrown.message }));
  `);
  expect(thrown).toEqual({ code: "PACKAGE_MISSING", message: expect.stringContaining(`npm install ${name}`) });
});
