import { FileStorage } from "../../src/storage/file.ts";

// A process that watches a key and has nothing else to do. It prints what the first hint carries.

const storage = new FileStorage({ directory: process.argv[2] ?? "", pollMs: 60_000 });
const watch = storage.watch?.("k", { signal: new AbortController().signal });
const hints = watch?.[Symbol.asyncIterator]();
void hints?.next().then(({ value }) => {
  console.log(value?.seen === undefined ? "nothing" : new TextDecoder().decode(value.seen.value));
  void hints.next();
});
