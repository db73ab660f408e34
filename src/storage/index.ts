export { FileStorage, type FileStorageOptions } from "./file.ts";
export { assertKey, assertPrefix, decodeKey, encodeKey, leaseKey } from "./keys.ts";
export { decodeLease, encodeLease, releasedLease, type DecodedLease } from "./lease-codec.ts";
export type { LeaseData, LeaseObject, LeaseStorage } from "./lease-storage.ts";
export { MemoryData, MemoryStorage, type MemoryStorageOptions } from "./memory.ts";
export {
  probeStorage,
  type ProbeFinding,
  type ProbeHooks,
  type ProbeOptions,
  type ProbeReport,
  type ProbeStep,
  type ProbeVerdict,
} from "./probe.ts";
export { openStorage, registerStorage, type LoadDriver, type OpenOptions } from "./registry.ts";
export type { DriverOpenOptions, StorageDriver } from "./storage-driver.ts";
export { StorageUrl, type Credentials } from "./storage-url.ts";
export type { WriteProgress } from "./storage-call.ts";
export type { Parameter, ParameterTable, ParameterValues } from "./url-parameters.ts";
export { VersionedLeaseStorage, type Attempt, type DriverParts, type ListedKey } from "./versioned-lease-storage.ts";
export type {
  CallOptions,
  Change,
  Health,
  Hint,
  StorageCapabilities,
  Stored,
  Version,
  VersionedStorage,
  WriteOutcome,
} from "./versioned-storage.ts";
export { leaseStorage, type StorageConnection, type WrapOptions } from "./wrapped-lease-storage.ts";
export {
  isAlreadyExists,
  isConditionalUpdateFailed,
  isNotFound,
  type Applied,
  type ErrorDetails,
  type TenureErrorCode,
} from "../errors.ts";
export {
  AccessDeniedError,
  AlreadyExistsError,
  ClosedError,
  ConditionalUpdateFailedError,
  CorruptDataError,
  InvalidKeyError,
  InvalidSettingsError,
  NotFoundError,
  PackageMissingError,
  StorageUnavailableError,
  TenureError,
  UnknownOutcomeError,
  UnsafeStorageError,
  UnsupportedError,
  ValueTooLargeError,
} from "../errors.ts";
