import { registerHooks } from "node:module";

/**
 * Lets the electors of this process decide by recorded-decide.ts, which calls the real `decide` and notes the row.
 * Call it before anything of the election is imported. So the coverage of rows needs no branch in the sources.
 */
export function recordRows(): void {
  const recorded = new URL("recorded-decide.ts", import.meta.url).href;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const byCampaign = context.parentURL?.endsWith("/src/election/campaign.ts") === true;
      return nextResolve(byCampaign && specifier === "./decide.ts" ? recorded : specifier, context);
    },
  });
}
