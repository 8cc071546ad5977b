//! What a runtime says of itself: the TXT record, the instance name, the host name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::{AgentId, Fingerprint};

/// The DNS-SD type of a Lineshaft runtime.
pub const SERVICE_TYPE: &str = "_lineshaft._udp.local.";

/// The version of the record.
const RECORD_VERSION: &str = "1";
/// A TXT record that is longer is nobody's of ours.
const MAX_RECORD: usize = 400;
const MAX_LABEL: usize = 63;
const MAX_VERSION: usize = 32;
/// Of the service name in the instance name, which with `-` and eight digits is one DNS label.
const MAX_NAME_IN_INSTANCE: usize = 54;

/// The UID of a PlcRuntime: a UUID in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuntimeId(Uuid);

/// A name that is also a valid Kubernetes label value, and not empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// The version of an agent, such as `0.1.0-rc.1+g12ab`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionText(String);

/// What one runtime says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Which runtime.
    pub runtime: RuntimeId,
    /// What subscriptions call it.
    pub name: Label,
    /// The agent that it runs under.
    pub agent: AgentId,
    /// The cluster or box that the agent belongs to.
    pub site: Label,
    /// The key that the agent claims to have.
    pub key: Fingerprint,
    /// Of the agent.
    pub version: VersionText,
    /// How many variables it publishes.
    pub published: u32,
    /// Where its console is; 0 if it shows none.
    pub console_port: u16,
    /// Its agent has an open pairing offer.
    pub pairing: bool,
}

/// Why a TXT record is no advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AdvertError {
    /// Longer than any advert.
    #[error("the TXT record is longer than {MAX_RECORD} bytes")]
    TooLong,
    /// Another version of the record.
    #[error("the TXT record has another version than {RECORD_VERSION}")]
    Version,
    /// A key is not there.
    #[error("the TXT record has no `{0}`")]
    Missing(&'static str),
    /// A key has a value that it cannot have.
    #[error("`{0}` of the TXT record is malformed")]
    Malformed(&'static str),
    /// The instance is not named as the record demands.
    #[error("the instance name does not fit the TXT record")]
    Instance,
}

impl Advert {
    /// The record, as keys and values.
    pub fn to_txt(&self) -> Vec<(&'static str, String)> {
        let key = self.key.to_string();
        vec![
            ("v", RECORD_VERSION.to_owned()),
            ("id", self.runtime.to_string()),
            ("n", self.name.to_string()),
            ("ag", self.agent.to_string()),
            ("site", self.site.to_string()),
            ("fp", key.trim_start_matches("sha256:").to_owned()),
            ("ver", self.version.0.clone()),
            ("pub", self.published.to_string()),
            ("wp", self.console_port.to_string()),
            ("pr", u8::from(self.pairing).to_string()),
        ]
    }

    /// Reads a record. Keys that are not known say nothing; of equal keys the first counts; case of keys does not.
    pub fn from_txt(record: &[(&str, Option<&[u8]>)]) -> Result<Self, AdvertError> {
        let length: usize =
            record.iter().map(|(key, value)| 1 + key.len() + value.map_or(0, |v| 1 + v.len())).sum();
        if length > MAX_RECORD {
            return Err(AdvertError::TooLong);
        }
        let record = Record(record);
        if record.text("v")? != RECORD_VERSION {
            return Err(AdvertError::Version);
        }
        Ok(Self {
            runtime: record.parse("id")?,
            name: record.parse("n")?,
            agent: record.read("ag", |text| AgentId::try_from(text.to_owned()).ok())?,
            site: record.parse("site")?,
            key: record.read("fp", |text| Fingerprint::try_from(format!("sha256:{text}")).ok())?,
            version: record.parse("ver")?,
            published: record.number("pub")?,
            console_port: record.number("wp")?,
            pairing: record.read("pr", |text| ["0", "1"].iter().position(|&flag| flag == text))? == 1,
        })
    }

    /// The first label of the instance name: `lineb-6f1c2a9e`. In lower case, as DNS compares names without it.
    pub fn instance(&self) -> String {
        let mut name = self.name.0.to_ascii_lowercase().replace('.', "-");
        name.truncate(MAX_NAME_IN_INSTANCE);
        format!("{name}-{}", self.runtime.short())
    }

    /// The host name. Each runtime has its own: the addresses that a goodbye withdraws are nobody else's.
    pub fn host(&self) -> String {
        let agent = self.agent.to_string();
        format!("{}-{}.local.", &agent[..8], self.runtime.short())
    }

    /// An advert must come under its own name, written as here, so that a goodbye concerns one runtime.
    pub fn check_instance(&self, full_name: &str) -> Result<(), AdvertError> {
        if instance_of(full_name) == Some(&self.instance()) { Ok(()) } else { Err(AdvertError::Instance) }
    }
}

/// The first label of a full instance name of our type.
pub(super) fn instance_of(full_name: &str) -> Option<&str> {
    full_name.strip_suffix(SERVICE_TYPE)?.strip_suffix('.')
}

/// Access to the values of a TXT record.
struct Record<'a>(&'a [(&'a str, Option<&'a [u8]>)]);

impl<'a> Record<'a> {
    fn text(&self, key: &'static str) -> Result<&'a str, AdvertError> {
        let (_, value) = self
            .0
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .ok_or(AdvertError::Missing(key))?;
        value.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(AdvertError::Malformed(key))
    }

    fn read<T>(&self, key: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, AdvertError> {
        parse(self.text(key)?).ok_or(AdvertError::Malformed(key))
    }

    fn parse<T: FromStr>(&self, key: &'static str) -> Result<T, AdvertError> {
        self.read(key, |text| text.parse().ok())
    }

    /// Digits only: no sign, as `parse` would allow.
    fn number<T: FromStr>(&self, key: &'static str) -> Result<T, AdvertError> {
        self.read(key, |text| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?)
    }
}

impl RuntimeId {
    /// From the bytes of a UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The first eight digits, for names that people read.
    pub fn short(&self) -> String {
        let mut text = self.0.to_string();
        text.truncate(8);
        text
    }
}

impl fmt::Display for RuntimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RuntimeId {
    type Err = AdvertError;

    fn from_str(text: &str) -> Result<Self, AdvertError> {
        let id = Uuid::try_parse(text).map_err(|_| AdvertError::Malformed("id"))?;
        // The parser also takes braces, capitals and texts without hyphens: one runtime would have many names.
        if id.to_string() == text { Ok(Self(id)) } else { Err(AdvertError::Malformed("id")) }
    }
}

impl TryFrom<String> for RuntimeId {
    type Error = AdvertError;

    fn try_from(text: String) -> Result<Self, AdvertError> {
        text.parse()
    }
}

impl From<RuntimeId> for String {
    fn from(id: RuntimeId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = AdvertError;

    fn from_str(text: &str) -> Result<Self, AdvertError> {
        let bytes = text.as_bytes();
        let inner = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
        let ends = [bytes.first(), bytes.last()].iter().all(|b| b.is_some_and(u8::is_ascii_alphanumeric));
        if inner && ends && bytes.len() <= MAX_LABEL {
            Ok(Self(text.to_owned()))
        } else {
            Err(AdvertError::Malformed("n"))
        }
    }
}

impl TryFrom<String> for Label {
    type Error = AdvertError;

    fn try_from(text: String) -> Result<Self, AdvertError> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for VersionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VersionText {
    type Err = AdvertError;

    fn from_str(text: &str) -> Result<Self, AdvertError> {
        let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-_".contains(&b));
        if allowed && (1..=MAX_VERSION).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AdvertError::Malformed("ver"))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An advert whose ids and key are made of a number.
    pub(in crate::discovery) fn advert(number: u8, name: &str) -> Advert {
        Advert {
            runtime: RuntimeId::from_bytes([number; 16]),
            name: name.parse().unwrap(),
            agent: AgentId::from_bytes([number; 16]),
            site: format!("site-{number}").parse().unwrap(),
            key: Fingerprint::of_public_key(&[number]),
            version: "0.1.0".parse().unwrap(),
            published: 3,
            console_port: 9480,
            pairing: false,
        }
    }

    fn read(record: &[(&'static str, String)]) -> Result<Advert, AdvertError> {
        let record: Vec<_> = record.iter().map(|(key, value)| (*key, Some(value.as_bytes()))).collect();
        Advert::from_txt(&record)
    }

    fn with(key: &'static str, value: &str) -> Result<Advert, AdvertError> {
        let mut record = advert(1, "LineB").to_txt();
        record.iter_mut().find(|(name, _)| *name == key).unwrap().1 = value.to_owned();
        read(&record)
    }

    #[test]
    fn the_record_is_the_documented_one() {
        let text: Vec<String> =
            advert(0x6f, "LineB").to_txt().iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            text.join(" "),
            "v=1 id=6f6f6f6f-6f6f-6f6f-6f6f-6f6f6f6f6f6f n=LineB ag=6f6f6f6f-6f6f-6f6f-6f6f-6f6f6f6f6f6f \
             site=site-111 fp=65c74c15a686187bb6bbf9958f494fc6b80068034a659a9ad44991b08c58f2d2 ver=0.1.0 pub=3 \
             wp=9480 pr=0"
        );
    }

    #[test]
    fn the_longest_advert_fits() {
        let mut longest = advert(1, &"n".repeat(MAX_LABEL));
        longest.site = "s".repeat(MAX_LABEL).parse().unwrap();
        longest.version = "9".repeat(MAX_VERSION).parse().unwrap();
        longest.published = u32::MAX;
        longest.console_port = u16::MAX;
        longest.pairing = true;
        assert_eq!(read(&longest.to_txt()), Ok(longest.clone()));
        assert_eq!(longest.instance().len(), 63);
        assert_eq!(longest.check_instance(&format!("{}.{SERVICE_TYPE}", longest.instance())), Ok(()));
    }

    #[test]
    fn a_malformed_value_voids_the_advert() {
        let long = "x".repeat(64);
        for (key, bad) in [
            ("id", "6F1C2A9E-0B1D-4C3A-9E2F-5A6B7C8D9E0F"),
            ("id", "{6f1c2a9e-0b1d-4c3a-9e2f-5a6b7c8d9e0f}"),
            ("n", ""),
            ("n", "-a"),
            ("n", "<script>"),
            ("n", long.as_str()),
            ("ag", "6f1c2a9e"),
            ("fp", "sha256:00"),
            ("ver", "1 0"),
            ("pub", "+1"),
            ("pub", "4294967296"),
            ("pub", ""),
            ("wp", "65536"),
            ("wp", "-1"),
            ("pr", "yes"),
        ] {
            assert_eq!(with(key, bad), Err(AdvertError::Malformed(key)), "{key}={bad}");
        }
        assert!(matches!(with("site", "a b"), Err(AdvertError::Malformed("site"))));
        assert_eq!(with("v", "2"), Err(AdvertError::Version));
        assert_eq!(with("ver", &"x".repeat(400)), Err(AdvertError::TooLong));
        let mut record = advert(1, "LineB").to_txt();
        for at in 0..record.len() {
            let (key, value) = record.remove(at);
            assert_eq!(read(&record), Err(AdvertError::Missing(key)));
            record.insert(at, (key, value));
        }
        let bytes: Vec<_> = record.iter().map(|(key, _)| (*key, None)).collect();
        assert_eq!(Advert::from_txt(&bytes), Err(AdvertError::Malformed("v")), "a key without a value");
    }

    #[test]
    fn unknown_keys_and_repetitions_say_nothing() {
        let mut record = advert(1, "LineB").to_txt();
        record.push(("n", "Other".to_owned()));
        record.insert(0, ("later", "x".to_owned()));
        assert_eq!(read(&record), Ok(advert(1, "LineB")));
    }

    #[test]
    fn an_advert_comes_under_its_own_name() {
        let advert = advert(0x6f, "Line.B");
        assert_eq!(advert.instance(), "line-b-6f6f6f6f");
        assert_eq!(advert.host(), "6f6f6f6f-6f6f6f6f.local.");
        assert_eq!(advert.check_instance("line-b-6f6f6f6f._lineshaft._udp.local."), Ok(()));
        for bad in [
            "line-b-6f6f6f60._lineshaft._udp",
            "LINE-B-6f6f6f6f._lineshaft._udp",
            "line-b-6f6f6f6f._http._tcp",
        ] {
            let bad = format!("{bad}.local.");
            assert_eq!(advert.check_instance(&bad), Err(AdvertError::Instance), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn fuzz_adverts(
            change in 0usize..10,
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            noise in prop::collection::vec(("[a-z]{0,4}", prop::collection::vec(any::<u8>(), 0..60)), 0..8),
        ) {
            let genuine = advert(7, "LineB").to_txt();
            let mut record: Vec<(&str, Option<&[u8]>)> =
                genuine.iter().map(|(key, value)| (*key, Some(value.as_bytes()))).collect();
            record[change].1 = Some(&bytes);
            record.extend(noise.iter().map(|(key, value)| (key.as_str(), Some(value.as_slice()))));
            if let Ok(read_back) = Advert::from_txt(&record) {
                // Whatever is accepted has one way to be written, and says what was received.
                let written = read_back.to_txt();
                prop_assert_eq!(read(&written), Ok(read_back));
                prop_assert!(change == 7 || change == 8 || written[change].1.as_bytes() == bytes);
            }
        }
    }
}
