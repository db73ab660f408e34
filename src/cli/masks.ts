const secretNames =
  "password|passwd|pwd|secret|token|sig|signature|credential|api-?key|access-?key|x-amz-[a-z-]+|x-goog-[a-z-]+";
/** Up to the last `@`, since a password that was not encoded may hold `@` and `/`; `file:///a@b` has no such part. */
const userPart = /([a-z][a-z0-9+.-]*:\/\/)(?!\/)[^\s"']*@/gi;
const parameter = new RegExp(`([?&;](?:[a-z_-]*(?:${secretNames}))=)[^&\\s"']+`, "gi");

/** Takes what may be a secret out of a text: the user part of URLs, and parameters that are named like a secret. */
export function maskSecrets(text: string): string {
  return text.replace(userPart, "$1***@").replace(parameter, "$1***");
}
