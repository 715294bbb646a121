//! Argon2id with the parameters that OWASP's password storage guide gives first: 19 MiB, two
//! passes, one lane.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{
    self, CustomizedPasswordHasher, PasswordHasher, PasswordVerifier as _,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Fewest characters of a password.
pub const SHORTEST: usize = 12;
/// Most bytes of a password.
pub const LONGEST: usize = 1_024;

/// Blocks of 1 KiB that are asked for at once. glibc's allocator keeps what it is given back, up to
/// 32 MiB, for every thread that ever hashed; more than that goes back to the system at once. Only
/// the blocks that are used are touched, and only those take memory.
const RESERVED: usize = 33 * 1_024;

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

/// Argon2 that leaves no memory behind.
struct Hasher {
    algorithm: Algorithm,
    version: Version,
    params: Params,
}

impl Hasher {
    fn new() -> Self {
        let params =
            Params::new(19_456, 2, 1, None).expect("the parameters are within Argon2's bounds");
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, params }
    }
}

impl PasswordHasher<PasswordHash> for Hasher {
    fn hash_password_with_salt(
        &self,
        password: &[u8],
        salt: &[u8],
    ) -> password_hash::Result<PasswordHash> {
        let length = self.params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let used = self.params.block_count();
        let mut memory = Vec::with_capacity(used.max(RESERVED));
        memory.resize(used, Block::new());
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(password, salt, output, &mut memory)?;
        Ok(PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: ParamsString::try_from(&self.params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(output)?),
        })
    }
}

/// Verifies with what a stored hash says of itself.
impl CustomizedPasswordHasher<PasswordHash> for Hasher {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let hasher = Self {
            algorithm: algorithm.map_or(Ok(self.algorithm), Algorithm::try_from)?,
            version: version.map_or(Ok(self.version), Version::try_from)?,
            params,
        };
        hasher.hash_password_with_salt(password, salt)
    }
}

/// Refuses what would not be hashed, at once.
///
/// # Errors
/// When the length is out of bounds.
pub fn check(password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < SHORTEST {
        return Err(PasswordError::TooShort);
    }
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    Ok(())
}

/// Hashes with a fresh salt; takes tens of milliseconds and 19 MiB, so call it off the executor.
///
/// # Errors
/// When the length is out of bounds.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    check(password)?;
    match Hasher::new().hash_password(password.as_bytes()) {
        Ok(hash) => Ok(hash.to_string()),
        Err(_error) => Err(PasswordError::Hashing),
    }
}

/// Compares in constant time; `false` also for a hash that cannot be read.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    password.len() <= LONGEST
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Hasher::new().verify_password(password.as_bytes(), &hash).is_ok())
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
        // Made by Argon2's reference implementation, with other parameters than ours.
        let foreign = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
            CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify("password", foreign));
        assert!(!verify("passwore", foreign));
        assert_eq!(hash("elevenchars"), Err(PasswordError::TooShort));
        assert_eq!(hash(&"x".repeat(1_025)), Err(PasswordError::TooLong));
    }
}
