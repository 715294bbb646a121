//! An authenticator in software, with the browser before it (W3C Web Authentication, Level 3): makes a
//! passkey and signs with it. Its fields are open, so that a test can make it say what no honest one
//! says. It writes its own CBOR, by no code of ours that reads it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Flags of authenticator data.
pub mod flags {
    /// Somebody was there.
    pub const USER_PRESENT: u8 = 0x01;
    /// By PIN, finger or face.
    pub const USER_VERIFIED: u8 = 0x04;
    /// The passkey may leave its device.
    pub const BACKUP_ELIGIBLE: u8 = 0x08;
    /// It has.
    pub const BACKED_UP: u8 = 0x10;
    /// A new credential is in it.
    pub const ATTESTED: u8 = 0x40;
    /// Extensions are in it.
    pub const EXTENDED: u8 = 0x80;
}

/// Kinds of keys that authenticators make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// An authenticator with one passkey.
pub struct Authenticator {
    key: Key,
    /// The passkey's id.
    pub credential_id: Vec<u8>,
    /// What it was told whose passkey it is.
    pub user_handle: Vec<u8>,
    /// The domain it believes in.
    pub rp_id: String,
    /// The page that asks.
    pub origin: String,
    /// What it says of its user and of itself.
    pub flags: u8,
    /// How often it signed; `None` for one that does not count.
    pub counter: Option<u32>,
    /// More members of the client data, as JSON after the others.
    pub more_client_data: String,
}

/// The answer to `create()`.
#[derive(Debug, Clone)]
pub struct Created {
    /// `clientDataJSON`
    pub client_data: Vec<u8>,
    /// `authData`
    pub authenticator_data: Vec<u8>,
    /// `attestationObject`, of format "none".
    pub object: Vec<u8>,
}

/// The answer to `get()`.
#[derive(Debug, Clone)]
pub struct Answered {
    /// `rawId`
    pub credential_id: Vec<u8>,
    /// `clientDataJSON`
    pub client_data: Vec<u8>,
    /// `authenticatorData`
    pub authenticator_data: Vec<u8>,
    /// `signature`
    pub signature: Vec<u8>,
    /// `userHandle`
    pub user_handle: Vec<u8>,
}

impl Authenticator {
    /// With a new passkey for `rp_id`, asked by its page over HTTPS.
    ///
    /// # Panics
    /// Without randomness.
    #[must_use]
    pub fn new(kind: KeyKind, rp_id: &str) -> Self {
        let mut credential_id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut credential_id).expect("randomness");
        Self {
            key: Key::generate(kind),
            credential_id,
            user_handle: Vec::new(),
            rp_id: rp_id.to_owned(),
            origin: format!("https://{rp_id}"),
            flags: flags::USER_PRESENT | flags::USER_VERIFIED,
            counter: Some(0),
            more_client_data: String::new(),
        }
    }

    /// Answers `create()` for a challenge in base64url.
    #[must_use]
    pub fn create(&self, challenge: &str) -> Created {
        let client_data = self.client_data("webauthn.create", challenge);
        let mut data = self.head(self.flags | flags::ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential_id.len()).unwrap_or(u16::MAX).to_be_bytes());
        data.extend(&self.credential_id);
        data.extend(self.key.cose());
        let object = object("none", &[0xa0], &data);
        Created { client_data, authenticator_data: data, object }
    }

    /// The attestation object of a credential that vouches for itself.
    #[must_use]
    pub fn self_attested(&self, created: &Created) -> Vec<u8> {
        let signature = self.sign(&created.authenticator_data, &created.client_data);
        let mut statement = vec![0xa2];
        statement.extend([text("alg"), int(self.key.algorithm())].concat());
        statement.extend([text("sig"), bytes(&signature)].concat());
        object("packed", &statement, &created.authenticator_data)
    }

    /// Answers `get()` for a challenge in base64url, and counts.
    pub fn get(&mut self, challenge: &str) -> Answered {
        self.counter = self.counter.map(|count| count.wrapping_add(1));
        let client_data = self.client_data("webauthn.get", challenge);
        let authenticator_data = self.head(self.flags);
        Answered {
            credential_id: self.credential_id.clone(),
            signature: self.sign(&authenticator_data, &client_data),
            client_data,
            authenticator_data,
            user_handle: self.user_handle.clone(),
        }
    }

    /// Its signature of authenticator data and client data.
    ///
    /// # Panics
    /// Without randomness.
    #[must_use]
    pub fn sign(&self, authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let text = [authenticator_data, digest(&SHA256, client_data).as_ref()].concat();
        self.key.sign(&text)
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let Self { origin, more_client_data, .. } = self;
        let text = format!(
            "{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\",\
             \"crossOrigin\":false{more_client_data}}}"
        );
        text.into_bytes()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.unwrap_or(0).to_be_bytes());
        data
    }
}

impl Created {
    /// In base64url: client data and attestation object.
    #[must_use]
    pub fn in_base64url(&self) -> [String; 2] {
        [&self.client_data, &self.object].map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Key {
    fn generate(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Es256 => Self::Es256(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("randomness"),
            ),
            KeyKind::EdDsa => Self::EdDsa(Ed25519KeyPair::generate().expect("randomness")),
            KeyKind::Rs256 => {
                Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness"))
            }
        }
    }

    const fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => -7,
            Self::EdDsa(_) => -8,
            Self::Rs256(_) => -257,
        }
    }

    fn cose(&self) -> Vec<u8> {
        let member = |key: i64, value: Vec<u8>| [int(key), value].concat();
        let kind = |kind: i64| [member(1, int(kind)), member(3, int(self.algorithm()))].concat();
        match self {
            Self::Es256(pair) => {
                // 4, x and y.
                let point = pair.public_key().as_ref();
                let (x, y) = (member(-2, bytes(&point[1..33])), member(-3, bytes(&point[33..])));
                [vec![0xa5], kind(2), member(-1, int(1)), x, y].concat()
            }
            Self::EdDsa(pair) => {
                let x = member(-2, bytes(pair.public_key().as_ref()));
                [vec![0xa4], kind(1), member(-1, int(6)), x].concat()
            }
            Self::Rs256(pair) => {
                // After the heads of a sequence and of an integer of 2048 bits (RFC 8017, A.1.1).
                let n = member(-1, bytes(&pair.public_key().as_ref()[9..265]));
                [vec![0xa4], kind(3), n, member(-2, bytes(&[1, 0, 1]))].concat()
            }
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, text).expect("randomness").as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).expect("randomness");
                signature
            }
        }
    }
}

fn object(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let format = [text("fmt"), text(format)].concat();
    let statement = [text("attStmt"), statement.to_vec()].concat();
    [vec![0xa3], format, statement, text("authData"), bytes(data)].concat()
}

fn int(value: i64) -> Vec<u8> {
    if value < 0 { head(1, value.unsigned_abs() - 1) } else { head(0, value.unsigned_abs()) }
}

fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len() as u64), value.to_vec()].concat()
}

fn text(value: &str) -> Vec<u8> {
    [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
}

fn head(major: u8, argument: u64) -> Vec<u8> {
    let first = major << 5;
    match argument {
        0..=23 => vec![first | u8::try_from(argument).unwrap_or_default()],
        24..=0xff => vec![first | 24, u8::try_from(argument).unwrap_or_default()],
        _ => {
            let short = u16::try_from(argument).unwrap_or_default().to_be_bytes();
            [vec![first | 25], short.to_vec()].concat()
        }
    }
}
