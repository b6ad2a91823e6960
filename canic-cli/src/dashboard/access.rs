//! Who may see the dashboard: the browser that opened its link.

use std::sync::Mutex;

use axum::http::{HeaderMap, Method, header};
use sha2::{Digest, Sha256};

/// The header that the page sends with every change. A form of another site can't.
const MARK: &str = "x-canic";

/// The keys of a dashboard.
pub(crate) struct Access {
    port: u16,
    /// The link's token; none once it was used.
    token: Mutex<Option<String>>,
    /// The value of the cookie.
    session: String,
}

impl Access {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            token: Mutex::new(Some(secret())),
            session: secret(),
        }
    }

    /// The link that opens the dashboard, once.
    pub(crate) fn link(&self) -> String {
        let token = self.token.lock().map(|token| token.clone());
        let token = token.ok().flatten().unwrap_or_default();
        format!("http://127.0.0.1:{}/open?token={token}", self.port)
    }

    /// The cookie for a browser that has the token. The token is void afterwards.
    pub(crate) fn open(&self, token: &str) -> Option<String> {
        let mut kept = self.token.lock().ok()?;
        if !kept.as_ref().is_some_and(|kept| is_equal(kept, token)) {
            return None;
        }
        *kept = None;
        let (name, session) = (self.cookie(), &self.session);
        Some(format!(
            "{name}={session}; Path=/; HttpOnly; SameSite=Strict"
        ))
    }

    /// The name of the cookie: browsers share cookies between the ports of a host.
    fn cookie(&self) -> String {
        format!("canic-{}", self.port)
    }

    /// Whether a request comes from the page in the browser that opened the link.
    ///
    /// # Errors
    /// It does not; the error says why.
    pub(crate) fn admits(&self, method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // Another name for this address could be that of a foreign site.
        let hosts = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", self.port));
        if !text(header::HOST).is_some_and(|host| hosts.iter().any(|known| known == host)) {
            return Err("the dashboard answers to 127.0.0.1 only");
        }
        let name = self.cookie();
        let cookies = text(header::COOKIE).unwrap_or_default().split(';');
        let mut sessions = cookies.filter_map(|cookie| {
            let (key, value) = cookie.trim().split_once('=')?;
            (key == name).then_some(value)
        });
        if !sessions.any(|session| is_equal(session, &self.session)) {
            return Err("open the dashboard by the link that `canic dashboard` prints");
        }
        if *method == Method::GET {
            return Ok(());
        }
        let origins = hosts.map(|host| format!("http://{host}"));
        let origin = text(header::ORIGIN);
        let own = origin.is_none_or(|origin| origins.iter().any(|known| known == origin));
        if own && headers.contains_key(MARK) {
            Ok(())
        } else {
            Err("only the page itself may change something")
        }
    }
}

/// A secret of 256 random bits.
fn secret() -> String {
    hex::encode(ic_ed25519::PrivateKey::generate().serialize_raw())
}

/// Compares secrets by their hashes, so that the time tells nothing of them.
fn is_equal(a: &str, b: &str) -> bool {
    Sha256::digest(a) == Sha256::digest(b)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_link_opens_once() {
        let access = Access::new(1);
        let link = access.link();
        let token = link.split_once("token=").unwrap().1.to_string();
        assert_eq!(access.open("0"), None);
        assert!(access.open(&token).unwrap().starts_with("canic-1="));
        assert_eq!(access.open(&token), None);
        assert_eq!(access.open(""), None);
    }

    #[test]
    fn only_the_page_of_the_browser_with_the_cookie_is_admitted() {
        let access = Access::new(80);
        let cookie = format!("other=1; canic-80={}", access.session);
        let good = [("host", "127.0.0.1:80"), ("cookie", cookie.as_str())];
        let admits = |method: Method, pairs: &[_]| access.admits(&method, &headers(pairs)).is_ok();
        assert!(admits(Method::GET, &good));
        assert!(!admits(Method::GET, &good[..1]), "no cookie");
        assert!(!admits(
            Method::GET,
            &[("host", "evil.example:80"), good[1]]
        ));
        assert!(!admits(
            Method::GET,
            &[good[0], ("cookie", "canic-80=guess")]
        ));
        assert!(!admits(Method::POST, &good), "no mark");
        let marked = [good[0], good[1], ("x-canic", "1")];
        assert!(admits(Method::POST, &marked));
        let foreign = ("origin", "http://evil.example");
        assert!(!admits(
            Method::POST,
            &[marked[0], marked[1], marked[2], foreign]
        ));
        let own = ("origin", "http://127.0.0.1:80");
        assert!(admits(
            Method::POST,
            &[marked[0], marked[1], marked[2], own]
        ));
    }
}
