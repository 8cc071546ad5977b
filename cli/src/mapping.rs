//! The text form of what is received: `"LineB:Status.PLCState" = "Local.Status.RemoteState"`.

/// One variable that is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Service name of the publisher.
    pub(crate) peer: String,
    /// Its variable.
    pub(crate) variable: String,
    /// The variable that receives.
    pub(crate) to: String,
}

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MappingError {
    /// No `=` between the two sides.
    #[error("{0:?} has no \"=\": write 'PEER:VARIABLE = VARIABLE'")]
    NoTarget(String),
    /// The left side does not name a peer.
    #[error("{0:?} names no peer: write PEER:VARIABLE, such as LineB:Status.PLCState")]
    NoPeer(String),
    /// Nothing on one of the sides.
    #[error("{0:?} names no variable")]
    Empty(String),
}

impl Mapping {
    /// From both sides. The `Local.` of the target says only that it is the receiver's.
    pub(crate) fn of(from: &str, to: &str) -> Result<Self, MappingError> {
        let (peer, variable) = from.split_once(':').ok_or_else(|| MappingError::NoPeer(from.to_owned()))?;
        let (peer, variable) = (peer.trim(), variable.trim());
        if peer.is_empty() {
            return Err(MappingError::NoPeer(from.to_owned()));
        }
        let to = to.trim();
        let local = to.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("Local."));
        let to = if local { &to[6..] } else { to };
        if variable.is_empty() || to.is_empty() {
            return Err(MappingError::Empty(format!("{from} = {to}")));
        }
        Ok(Self { peer: peer.to_owned(), variable: variable.to_owned(), to: to.to_owned() })
    }

    /// From one text; each side may be in quotes.
    pub(crate) fn parse(text: &str) -> Result<Self, MappingError> {
        let (from, to) = text.split_once('=').ok_or_else(|| MappingError::NoTarget(text.to_owned()))?;
        let bare = |side: &str| {
            let side = side.trim();
            let inner = side.strip_prefix('"').and_then(|side| side.strip_suffix('"'));
            inner.unwrap_or(side).to_owned()
        };
        Self::of(&bare(from), &bare(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let expected = Mapping {
            peer: "LineB".to_owned(),
            variable: "Status.PLCState".to_owned(),
            to: "Status.RemoteState".to_owned(),
        };
        for text in [
            r#""LineB:Status.PLCState" = "Local.Status.RemoteState""#,
            "LineB:Status.PLCState=Status.RemoteState",
            " LineB : Status.PLCState = local.Status.RemoteState ",
        ] {
            assert_eq!(Mapping::parse(text), Ok(expected.clone()), "{text}");
        }
        assert_eq!(Mapping::parse("LineB:A.b = Locals.c").unwrap().to, "Locals.c");
    }

    #[test]
    fn what_is_missing_is_named() {
        let wrong = |text: &str| Mapping::parse(text).unwrap_err().to_string();
        assert!(wrong("LineB:A.b").contains("has no \"=\""));
        assert!(wrong("A.b = C.d").contains("\"A.b\" names no peer"));
        assert!(wrong(":A.b = C.d").contains("names no peer"));
        assert!(wrong("LineB: = C.d").contains("names no variable"));
        assert!(wrong("LineB:A.b = Local.").contains("names no variable"));
    }

    proptest::proptest! {
        /// What a person writes is a mapping or a sentence that says what is missing; a mapping reads back as itself.
        #[test]
        fn fuzz_mapping(text in "\\PC{0,60}", parts in "[ \"]?[A-Za-z.:]{0,12}[ \"]?=[ \"]?[A-Za-z.]{0,12}\"?") {
            for text in [text, parts] {
                let Ok(Mapping { peer, variable, to }) = Mapping::parse(&text) else { continue };
                let again = Mapping::of(&format!("{peer}:{variable}"), &format!("Local.{to}"));
                proptest::prop_assert_eq!(again, Ok(Mapping { peer, variable, to }));
            }
        }
    }
}
