//! Signed links: each gives one answer to one question, to whoever holds it, and nothing else.
//!
//! A link needs no store: it carries what it allows and a signature over that. It works once because a question takes
//! one answer.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use remora_actors::model::QuestionKey;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// What is signed begins with this, so that the key signs nothing else by chance.
const PURPOSE: &str = "remora link 1:";

/// What a link allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The question.
    #[serde(flatten)]
    pub key: QuestionKey,
    /// The answer.
    pub answer: String,
    /// Until when.
    pub expires_at: Timestamp,
    /// The target that was given the link.
    pub target: String,
    /// The notice that carried it, so that no two links are the same.
    pub notice: String,
}

/// Why a link was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// It was not made here, or was changed on the way.
    #[error("this link is not one of this daemon's, or was cut on its way")]
    Unknown,
    /// Its time is over.
    #[error("this link has expired")]
    Expired,
}

/// Makes links and reads them.
#[derive(Debug)]
pub struct Links {
    key: hmac::Key,
    public_url: String,
}

impl Links {
    /// Links below an address at which people reach the daemon, signed with a key of at least 32 random bytes.
    pub fn new(public_url: &str, key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self { key, public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// An address of the daemon's for people: of a path that begins with a slash.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// The link that uses a grant.
    pub fn link(&self, grant: &Grant) -> String {
        self.page(&format!("/a/{}", self.token(grant)))
    }

    fn token(&self, grant: &Grant) -> String {
        let grant = serde_json::to_vec(grant).expect("a grant has only string keys");
        let text = BASE64_URL_SAFE_NO_PAD.encode(grant);
        let signature = hmac::sign(&self.key, format!("{PURPOSE}{text}").as_bytes());
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a link allows now.
    ///
    /// # Errors
    /// [`LinkError`]; the time it takes tells nothing about the signature.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Result<Grant, LinkError> {
        let (text, signature) = token.split_once('.').ok_or(LinkError::Unknown)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| LinkError::Unknown)?;
        let signed = format!("{PURPOSE}{text}");
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| LinkError::Unknown)?;
        let grant = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Unknown)?;
        let grant: Grant = serde_json::from_slice(&grant).map_err(|_| LinkError::Unknown)?;
        if grant.expires_at <= now { Err(LinkError::Expired) } else { Ok(grant) }
    }

    /// True for the host, with or without its port, at which people reach the daemon.
    pub(crate) fn is_host(&self, host: &str) -> bool {
        let authority = self.public_url.split_once("://").map_or("", |(_, rest)| rest);
        let own = authority.split('/').next().unwrap_or_default();
        own.eq_ignore_ascii_case(host)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn links() -> Links {
        Links::new("https://remora.example/", &[7; 32])
    }

    fn grant(msg_id: &str, answer: &str) -> Grant {
        Grant {
            key: QuestionKey { msg_id: msg_id.to_owned(), workspace_id: "w".to_owned() },
            answer: answer.to_owned(),
            expires_at: "2026-02-24T10:00:00Z".parse().expect("a time"),
            target: "phone".to_owned(),
            notice: "n".to_owned(),
        }
    }

    fn token(links: &Links, grant: &Grant) -> String {
        links.link(grant).rsplit_once('/').expect("a path").1.to_owned()
    }

    proptest! {
        #[test]
        fn a_link_allows_what_it_was_made_for(msg_id in ".{1,40}", answer in ".{0,200}") {
            let grant = grant(&msg_id, &answer);
            let token = token(&links(), &grant);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
            let before = grant.expires_at - SignedDuration::from_secs(1);
            prop_assert_eq!(links().read(&token, before), Ok(grant.clone()));
            prop_assert_eq!(links().read(&token, grant.expires_at), Err(LinkError::Expired));
        }

        #[test]
        fn a_changed_link_is_none(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9._-]") {
            let grant = grant("m", "yes");
            let good = token(&links(), &grant);
            let mut bad = good.clone();
            let at = at.index(bad.len());
            bad.replace_range(at..=at, &to);
            let read = links().read(&bad, Timestamp::UNIX_EPOCH);
            prop_assert_eq!(read, if bad == good { Ok(grant) } else { Err(LinkError::Unknown) });
        }
    }

    #[test]
    fn another_daemons_link_is_none() {
        let other = Links::new("https://remora.example", &[8; 32]);
        assert_eq!(links().read(&token(&other, &grant("m", "yes")), Timestamp::UNIX_EPOCH), Err(LinkError::Unknown));
        for token in ["", ".", "a.b", "a"] {
            assert_eq!(links().read(token, Timestamp::UNIX_EPOCH), Err(LinkError::Unknown), "{token}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{:?}", links()).contains("7, 7"), "{:?}", links());
    }

    #[test]
    fn the_host_is_the_public_ones() {
        let links = Links::new("http://Remora.example:8443/below", &[0; 32]);
        assert!(links.is_host("remora.example:8443"));
        for host in ["remora.example", "remora.example:84", "evil.example", "", "remora.example:8443/below"] {
            assert!(!links.is_host(host), "{host}");
        }
        assert_eq!(links.page("/agents/a"), "http://Remora.example:8443/below/agents/a");
    }
}
