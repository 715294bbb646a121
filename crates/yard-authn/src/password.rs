//! Argon2id with the parameters that OWASP's password storage guide gives first: 19 MiB, two
//! passes, one lane.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// Fewest characters of a password.
pub const SHORTEST: usize = 12;
/// Most bytes of a password.
pub const LONGEST: usize = 1_024;

/// Why a password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`SHORTEST`] characters.
    #[error("a password needs at least 12 characters")]
    TooShort,
    /// More than [`LONGEST`] bytes.
    #[error("a password may have at most 1024 bytes")]
    TooLong,
    /// The hash could not be made; out of memory.
    #[error("could not hash the password")]
    Hashing,
}

fn argon2() -> Argon2<'static> {
    let params =
        Params::new(19_456, 2, 1, None).expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes with a fresh salt; takes tens of milliseconds and 19 MiB, so call it off the executor.
///
/// # Errors
/// When the length is out of bounds.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < SHORTEST {
        return Err(PasswordError::TooShort);
    }
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    match argon2().hash_password(password.as_bytes()) {
        Ok(hash) => Ok(hash.to_string()),
        Err(_error) => Err(PasswordError::Hashing),
    }
}

/// Compares in constant time; `false` also for a hash that cannot be read.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    password.len() <= LONGEST
        && PasswordHash::new(hash)
            .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_right_wrong_and_out_of_bounds() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", &stored));
        assert!(!verify("correct horsf", &stored));
        assert!(!verify("correct horse", "not a hash"));
        assert_eq!(hash("elevenchars"), Err(PasswordError::TooShort));
        assert_eq!(hash(&"x".repeat(1_025)), Err(PasswordError::TooLong));
    }
}
