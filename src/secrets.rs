//! What only one person may know: passwords, and keys that are as good as one.
//!
//! A key (a session, a token, an invitation) is 256 random bits. Nothing can guess it, so its plain
//! SHA-256 is what the store keeps and finds it by. A password can be guessed, so it is hashed by
//! Argon2id, which takes tens of milliseconds and 19 MiB on purpose: that is done away from the
//! async threads, and only a few at a time, or logging in would be a way to use up the box.

use std::{fmt, sync::LazyLock};

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::sync::Semaphore;

use crate::{model::Digest, tasks};

/// Passwords that are hashed at a time.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Shortest and longest password, in bytes.
pub const PASSWORD: std::ops::RangeInclusive<usize> = 10..=1024;

/// A random key. It prints as it is given away, and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// # Panics
    /// When the kernel has no random bytes, which it always has.
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// One that somebody shows. None for what is surely no key.
    pub fn shown(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (text.len() == 43 && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// What it is kept and found by.
    pub fn hash(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Another key that only who has this one can know: what the forms of a session carry.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        let hash = Digest::of(format!("{purpose}:{}", self.0).as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash.as_bytes()))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this key, in a time that says nothing of where it differs.
    pub fn is(&self, text: &str) -> bool {
        let differs = |(a, b): (u8, u8)| a ^ b;
        let bytes = self.0.bytes().zip(text.bytes());
        self.0.len() == text.len() && bytes.map(differs).fold(0, |all, one| all | one) == 0
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What is verified for a name nobody has, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now(Key::new().reveal()));

/// What is kept of a password.
pub async fn hash_password(password: String) -> String {
    let _turn = AT_ONCE.acquire().await.expect("it is never closed");
    tasks::blocking(move || hash_now(&password)).await
}

/// Whether `password` is the one that `kept` was made of. Without one, the answer is no, and takes
/// as long.
pub async fn is_password(password: String, kept: Option<String>) -> bool {
    let _turn = AT_ONCE.acquire().await.expect("it is never closed");
    tasks::blocking(move || {
        let fits = |kept: &str| {
            let hash = PasswordHash::new(kept);
            hash.is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            })
        };
        match &kept {
            Some(kept) => fits(kept),
            None => {
                fits(&NOBODY);
                false
            }
        }
    })
    .await
}

fn hash_now(password: &str) -> String {
    let salt = SaltString::generate(Kernel);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.expect("the parameters are the library's own, and a password is no longer than 1 KiB")
        .to_string()
}

/// The kernel's random bytes, as the library asks for them.
struct Kernel;

impl rand_core::CryptoRng for Kernel {}

impl rand_core::RngCore for Kernel {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the kernel gives random bytes");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_hash_and_nothing_else_does() {
        let kept = hash_password("correct horse battery".into()).await;
        assert!(kept.starts_with("$argon2id$") && !kept.contains("horse"), "{kept}");
        assert!(is_password("correct horse battery".into(), Some(kept.clone())).await);
        assert!(!is_password("correct horse".into(), Some(kept.clone())).await);
        assert!(!is_password(kept.clone(), Some(kept)).await, "a stolen hash is no password");
        assert!(!is_password("correct horse battery".into(), None).await);
        assert!(!is_password("x".into(), Some("no hash".into())).await);
    }

    #[test]
    fn a_key_is_found_by_its_hash_and_shown_to_nobody_by_chance() {
        let key = Key::new();
        assert_ne!(key, Key::new());
        assert_eq!(Key::shown(key.reveal()), Some(key.clone()));
        assert_eq!(Key::shown(key.reveal()).unwrap().hash(), key.hash());
        assert!(key.is(key.reveal()) && !key.is("") && !key.is(Key::new().reveal()));
        assert!(!format!("{key:?}").contains(key.reveal()));
        assert!(!key.derived("form").is(key.reveal()));
        for bad in ["", "short", &"a".repeat(44), &"ä".repeat(22), &"'".repeat(43)] {
            assert_eq!(Key::shown(bad), None, "{bad}");
        }
    }
}
