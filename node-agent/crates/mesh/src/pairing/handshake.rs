//! The messages of a pairing, as states that can only be walked in order.
//!
//! ```text
//! claimer A                                     offerer B
//! Claim::start(code)        -- ke1 -->          Offer::challenge
//! Claim::answer             <-- ke2 --          Challenged
//!                           -- ke3 -->          Challenged::verify     B knows that A has the code
//! Proved::accepted          <-- accept --       Session                A knows that B is who offered
//! Session                   -- done -->         Session::check_done    B knows that A knows
//! ```

use hmac::{Hmac, Mac};
use opaque_ke::errors::ProtocolError;
use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialFinalization, CredentialRequest, CredentialResponse,
    Identifiers, Ristretto255, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand_core::{CryptoRng, RngCore};
use sha2::{Sha256, Sha512};

use super::Code;
use crate::identity::{AgentId, Fingerprint};

/// ALPN of a pairing, and the first part of what it is bound to.
pub const PROTOCOL: &str = "lineshaft-pair/1";

/// Bytes of a confirmation.
pub const TAG_LEN: usize = 32;

/// ristretto255, 3DH, SHA-512. No key stretching: a code can be guessed only against the agent that offers it,
/// three times, so a slow hash would protect nothing.
struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = opaque_ke::TripleDh<Ristretto255, Sha512>;
    type Ksf = opaque_ke::ksf::Identity;
}

/// One side of a pairing, as the TLS connection shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// What it says of itself.
    pub agent: AgentId,
    /// Of the key it proved in the TLS handshake.
    pub key: Fingerprint,
}

/// What a pairing is bound to: this TLS connection and these two keys. In the middle of two connections there are
/// two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding(Vec<u8>);

/// The other side does not have the code, or somebody sits in between. Which, cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The proof does not fit.
    #[error("the code is wrong, or the connection is intercepted")]
    WrongCode,
    /// Bytes that no honest side sends.
    #[error("a malformed pairing message")]
    Malformed,
}

/// At B: a code that may be claimed, while it is open.
pub struct Offer {
    code: Code,
    setup: ServerSetup<Suite>,
    record: ServerRegistration<Suite>,
}

/// At B: a claim that got its challenge.
pub struct Challenged {
    login: ServerLogin<Suite>,
    binding: Binding,
}

/// At A: a claim that waits for the challenge.
pub struct Claim {
    login: ClientLogin<Suite>,
    code: Code,
}

/// At A: the proof is under way; B has shown that it made the code, but not yet that it accepts.
pub struct Proved(Session);

/// Both sides have shown that they know the code.
pub struct Session {
    key: Vec<u8>,
    binding: Binding,
}

impl Binding {
    /// `exporter` is the TLS exporter of the connection, label [`PROTOCOL`].
    pub fn new(exporter: &[u8; 32], claimer: &Party, offerer: &Party) -> Self {
        let mut bytes = Vec::new();
        let parts: [&[u8]; 6] = [
            PROTOCOL.as_bytes(),
            exporter,
            claimer.key.bytes(),
            offerer.key.bytes(),
            claimer.agent.bytes(),
            offerer.agent.bytes(),
        ];
        for part in parts {
            bytes.push(part.len() as u8);
            bytes.extend_from_slice(part);
        }
        Self(bytes)
    }
}

impl Offer {
    /// Draws a code and makes its record.
    pub fn new(random: &mut (impl RngCore + CryptoRng)) -> Self {
        let code = Code::draw(random);
        let setup = ServerSetup::<Suite>::new(random);
        let record =
            register(&setup, &code, random).expect("a registration with oneself has no foreign input");
        Self { code, setup, record }
    }

    /// To be shown to a person.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The answer to a claim. The guard has counted it before.
    pub fn challenge(
        &self,
        ke1: &[u8],
        binding: Binding,
        random: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Vec<u8>, Challenged), HandshakeError> {
        let request = CredentialRequest::deserialize(ke1).map_err(malformed)?;
        let start = ServerLogin::start(
            random,
            &self.setup,
            Some(self.record.clone()),
            request,
            PROTOCOL.as_bytes(),
            binding.at_offerer(),
        )
        .map_err(malformed)?;
        Ok((start.message.serialize().to_vec(), Challenged { login: start.state, binding }))
    }
}

impl Challenged {
    /// Whether the claimer knows the code.
    pub fn verify(self, ke3: &[u8]) -> Result<Session, HandshakeError> {
        let proof = CredentialFinalization::deserialize(ke3).map_err(malformed)?;
        let finish =
            self.login.finish(proof, self.binding.at_offerer()).map_err(|_| HandshakeError::WrongCode)?;
        Ok(Session { key: finish.session_key.to_vec(), binding: self.binding })
    }
}

impl Claim {
    /// The first message, and what is needed to read its answer.
    pub fn start(code: Code, random: &mut (impl RngCore + CryptoRng)) -> (Vec<u8>, Self) {
        let start = ClientLogin::<Suite>::start(random, code.secret())
            .expect("a code of eight digits has a length that can be blinded");
        (start.message.serialize().to_vec(), Self { login: start.state, code })
    }

    /// The proof. An error means that the other side did not make this code.
    pub fn answer(
        self,
        ke2: &[u8],
        binding: Binding,
        random: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Vec<u8>, Proved), HandshakeError> {
        let response = CredentialResponse::deserialize(ke2).map_err(malformed)?;
        let parameters = ClientLoginFinishParameters::new(Some(&binding.0), Identifiers::default(), None);
        let finish = self
            .login
            .finish(random, self.code.secret(), response, parameters)
            .map_err(|_| HandshakeError::WrongCode)?;
        let session = Session { key: finish.session_key.to_vec(), binding };
        Ok((finish.message.serialize().to_vec(), Proved(session)))
    }
}

impl Proved {
    /// B has accepted: A may pin B's key.
    pub fn accepted(self, accept: &[u8]) -> Result<Session, HandshakeError> {
        self.0.check("accept", accept)?;
        Ok(self.0)
    }
}

impl Session {
    /// From B, with its acceptance.
    pub fn accept(&self) -> [u8; TAG_LEN] {
        self.tag("accept").finalize().into_bytes().into()
    }

    /// From A, at the end.
    pub fn done(&self) -> [u8; TAG_LEN] {
        self.tag("done").finalize().into_bytes().into()
    }

    /// At B: A knows that it was accepted.
    pub fn check_done(&self, done: &[u8]) -> Result<(), HandshakeError> {
        self.check("done", done)
    }

    fn check(&self, label: &str, tag: &[u8]) -> Result<(), HandshakeError> {
        self.tag(label).verify_slice(tag).map_err(|_| HandshakeError::WrongCode)
    }

    fn tag(&self, label: &str) -> Hmac<Sha256> {
        let mut mac =
            <Hmac<Sha256> as Mac>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(label.as_bytes());
        mac.update(&self.binding.0);
        mac
    }
}

impl Binding {
    fn at_offerer(&self) -> ServerLoginParameters<'_, '_> {
        ServerLoginParameters { context: Some(&self.0), identifiers: Identifiers::default() }
    }
}

/// Both halves of OPAQUE's registration, at the agent that made the code.
fn register(
    setup: &ServerSetup<Suite>,
    code: &Code,
    random: &mut (impl RngCore + CryptoRng),
) -> Result<ServerRegistration<Suite>, ProtocolError> {
    let start = ClientRegistration::<Suite>::start(random, code.secret())?;
    let response = ServerRegistration::<Suite>::start(setup, start.message, PROTOCOL.as_bytes())?;
    let parameters = ClientRegistrationFinishParameters::default();
    let finish = start.state.finish(random, code.secret(), response.message, parameters)?;
    Ok(ServerRegistration::finish(finish.message))
}

fn malformed(_: ProtocolError) -> HandshakeError {
    HandshakeError::Malformed
}

#[cfg(test)]
mod tests;
