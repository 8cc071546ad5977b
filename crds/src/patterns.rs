//! Regular expressions and length limits that several fields share.
//!
//! The API server evaluates them as RE2, the offline check as the `regex` crate; both read these the same way.

/// A DNS-1123 subdomain: names of nodes and of Kubernetes objects.
pub(crate) const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A DNS-1123 label: names of drivers and other parts of a spec that are addressed by name.
pub(crate) const LABEL: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// An IEC 61131-3 identifier.
pub(crate) const IDENTIFIER: &str = r"^[A-Za-z_][A-Za-z0-9_]*$";
/// A type name, with its namespaces.
pub(crate) const QUALIFIED: &str = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$";
/// A symbol path: `Main.conveyor[3].speed`, `Status.PLCState`.
pub(crate) const PATH: &str = r"^[A-Za-z_][A-Za-z0-9_]*(\[-?[0-9]+(,-?[0-9]+)*\])*(\.[A-Za-z_][A-Za-z0-9_]*(\[-?[0-9]+(,-?[0-9]+)*\])*)*$";
/// A direct address of the process image: `%IX0.0`, `%QW10`, `%MD4`.
pub(crate) const ADDRESS: &str = r"^%[IQM][XBWDL]?[0-9]{1,7}(\.[0-7])?$";
/// A direct address that a driver may own: inputs and outputs, not memory.
pub(crate) const FIELD_ADDRESS: &str = r"^%[IQ][XBWDL]?[0-9]{1,7}(\.[0-7])?$";
/// An input address.
pub(crate) const INPUT_ADDRESS: &str = r"^%I[XBWDL]?[0-9]{1,7}(\.[0-7])?$";
/// An output address.
pub(crate) const OUTPUT_ADDRESS: &str = r"^%Q[XBWDL]?[0-9]{1,7}(\.[0-7])?$";
/// Host and port: `10.0.0.5:502`, `plc.example:502`, `[fe80::1]:502`.
pub(crate) const ENDPOINT: &str =
    r"^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.%a-z]+\]):[0-9]{1,5}$";
/// The key of a ConfigMap.
pub(crate) const CONFIG_KEY: &str = r"^[-._a-zA-Z0-9]+$";
/// The name of a source file as diagnostics print it.
pub(crate) const FILE_NAME: &str = r"^[A-Za-z0-9_][-._A-Za-z0-9]*$";
/// A SHA-256 sum with its prefix.
pub(crate) const SHA256: &str = r"^sha256:[0-9a-f]{64}$";
/// A path, or every published variable below one: `Status.PLCState`, `Status.*`.
pub(crate) const PATH_OR_ALL: &str = r"^[A-Za-z_][A-Za-z0-9_]*(\[-?[0-9]+(,-?[0-9]+)*\])*(\.[A-Za-z_][A-Za-z0-9_]*(\[-?[0-9]+(,-?[0-9]+)*\])*)*(\.\*)?$";
/// The name by which a runtime announces itself: `spec.discovery.serviceName`, or the name of the object.
pub(crate) const SERVICE_NAME: &str = r"^[A-Za-z0-9]([-_. A-Za-z0-9]*[A-Za-z0-9])?$";
/// A UUID in lower case.
pub(crate) const UUID: &str = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// A decimal number that is not negative: `0`, `0.25`.
pub(crate) const DECIMAL: &str = r"^[0-9]+(\.[0-9]+)?$";
/// A pairing code, with or without its dash.
pub(crate) const PAIRING_CODE: &str = r"^[0-9]{4}-?[0-9]{4}$";
