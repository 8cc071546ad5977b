//! Who the agents of this site are: an authority that signs their certificates.
//!
//! `authority` keeps the key in a Secret and the certificates, old and new, in a ConfigMap; `judge` decides on a request,
//! purely; `requests` is the controller of `CertificateSigningRequest`. The certificate is all that an agent needs of
//! the operator: what two agents say to each other afterwards passes it by.

mod authority;
mod judge;
mod requests;

pub(crate) use requests::run;
