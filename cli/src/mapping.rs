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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_receivers() {
        let expected = Mapping {
            peer: "LineB".to_owned(),
            variable: "Status.PLCState".to_owned(),
            to: "Status.RemoteState".to_owned(),
        };
        for to in ["Local.Status.RemoteState", "Status.RemoteState", " local.Status.RemoteState "] {
            assert_eq!(Mapping::of("LineB : Status.PLCState", to), Ok(expected.clone()), "{to}");
        }
        assert_eq!(Mapping::of("LineB:A.b", "Locals.c").unwrap().to, "Locals.c");
    }

    #[test]
    fn what_is_missing_is_named() {
        let wrong = |from: &str, to: &str| Mapping::of(from, to).unwrap_err().to_string();
        assert!(wrong("A.b", "C.d").contains("\"A.b\" names no peer"));
        assert!(wrong(":A.b", "C.d").contains("names no peer"));
        assert!(wrong("LineB:", "C.d").contains("names no variable"));
        assert!(wrong("LineB:A.b", "Local.").contains("names no variable"));
    }
}
