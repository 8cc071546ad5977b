//! What an error says to a person.

use std::error::Error;

use kube::core::Status;

/// An error with everything that caused it, in one line: of an answer of the API server, what it said.
///
/// The client library's own text of such an answer repeats it as Rust prints it for a debugger.
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    if let Some(status) = status(error) {
        return answer(status);
    }
    // Its kinds are of no interest to people: `ServiceError: client error (Connect)`.
    let text = error.to_string();
    let text = ["ServiceError: ", "HyperError: ", "ApiError: "]
        .iter()
        .fold(text.as_str(), |text, kind| text.strip_prefix(kind).unwrap_or(text));
    let Some(source) = error.source() else { return text.to_owned() };
    if error.downcast_ref::<kube::Error>().is_some()
        && let Some(status) = status(source)
    {
        return answer(status);
    }
    let (raw, clean) = (source.to_string(), sentence(source));
    // Some texts include that of their cause, some do not.
    if text.contains(&raw) { text.replacen(&raw, &clean, 1) } else { format!("{text}: {clean}") }
}

fn status<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    error.downcast_ref::<Status>().or_else(|| error.downcast_ref::<Box<Status>>().map(AsRef::as_ref))
}

fn answer(status: &Status) -> String {
    if status.message.is_empty() {
        format!("the API server answers {} {}", status.code, status.reason).trim_end().to_owned()
    } else {
        status.message.lines().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::runtime::watcher;

    fn refusal() -> kube::Error {
        let mut status = Status::failure("the server could not find the\nrequested resource", "NotFound");
        status.code = 404;
        kube::Error::Api(Box::new(status))
    }

    #[derive(Debug)]
    struct Wrapped(kube::Error);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot write the status")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_answer_of_the_api_server_is_what_it_said() {
        assert!(refusal().to_string().contains("Status {"), "the reason for this module");
        let said = "the server could not find the requested resource";
        assert_eq!(sentence(&refusal()), said);
        assert_eq!(sentence(&Wrapped(refusal())), format!("cannot write the status: {said}"));
        let watch = watcher::Error::InitialListFailed(refusal());
        assert_eq!(sentence(&watch), format!("failed to perform initial object list: {said}"));
        let gone =
            watcher::Error::WatchError(Box::new(Status::failure("too old resource version", "Expired")));
        assert_eq!(sentence(&gone), "error returned by apiserver during watch: too old resource version");
    }

    #[test]
    fn an_answer_without_words_is_its_code() {
        let status = Status { code: 503, ..Status::default() };
        assert_eq!(sentence(&kube::Error::Api(Box::new(status))), "the API server answers 503");
    }

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        assert_eq!(sentence(&kube::Error::Service(Box::new(refused))), "connection refused");
    }
}
