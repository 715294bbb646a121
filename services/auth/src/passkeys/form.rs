//! What came in, read and measured; nothing of it is believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yard_contracts::identity::v1 as wire;
use yard_fault::Fault;

use crate::challenges::ChallengeToken;

const CLIENT_DATA: usize = 4_096;
const OBJECT: usize = 8_192;
const AUTHENTICATOR_DATA: usize = 4_096;
const CREDENTIAL_ID: usize = 1_023;
/// With an RSA key of 4096 bits it is 512.
const SIGNATURE: usize = 1_024;
const USER_HANDLE: usize = 64;
const MOST_TRANSPORTS: usize = 8;
const LONGEST_TRANSPORT: usize = 32;
const LONGEST_NAME: usize = 64;

/// The answer to `create()`.
pub(super) struct Attestation {
    pub(super) client_data: Vec<u8>,
    pub(super) object: Vec<u8>,
    pub(super) transports: Vec<String>,
}

/// The answer to `get()`.
pub(super) struct Assertion {
    pub(super) credential_id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) authenticator_data: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) user_handle: Vec<u8>,
}

/// An assertion with the challenge that it should be to.
pub(crate) struct Answer {
    pub(super) challenge: [u8; 32],
    pub(super) assertion: Assertion,
}

impl Attestation {
    pub(super) fn read(given: Option<wire::PasskeyAttestation>) -> Result<Self, Fault> {
        let given = given.ok_or_else(|| wrong("/attestation", "has to be given"))?;
        let at = |field: &str| format!("/attestation/{field}");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let well_formed = |text: &String| {
            (1..=LONGEST_TRANSPORT).contains(&text.len()) && text.bytes().all(plain)
        };
        let transports = given.transports;
        if transports.len() > MOST_TRANSPORTS || !transports.iter().all(well_formed) {
            let rule = "has to hold at most 8 of at most 32 lower-case letters, digits and hyphens";
            return Err(wrong(&at("transports"), rule));
        }
        let (client_data, object) = (&given.client_data_json, &given.attestation_object);
        Ok(Self {
            client_data: bytes(&at("client_data_json"), client_data, CLIENT_DATA)?,
            object: bytes(&at("attestation_object"), object, OBJECT)?,
            transports,
        })
    }
}

impl Answer {
    /// `field` is where it came in.
    ///
    /// # Errors
    /// `request.invalid` for what no authenticator can have answered.
    pub(crate) fn read(
        token: &ChallengeToken,
        given: &wire::PasskeyAssertion,
        field: &str,
    ) -> Result<Self, Fault> {
        let at = |name: &str| format!("/{field}/{name}");
        let assertion = Assertion {
            credential_id: bytes(&at("credential_id"), &given.credential_id, CREDENTIAL_ID)?,
            client_data: bytes(&at("client_data_json"), &given.client_data_json, CLIENT_DATA)?,
            authenticator_data: bytes(
                &at("authenticator_data"),
                &given.authenticator_data,
                AUTHENTICATOR_DATA,
            )?,
            signature: bytes(&at("signature"), &given.signature, SIGNATURE)?,
            user_handle: bytes(&at("user_handle"), &given.user_handle, USER_HANDLE)?,
        };
        Ok(Self { challenge: token.for_authenticator(), assertion })
    }
}

/// 1 to 64 characters on one line, trimmed.
pub(super) fn name(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
    if !fits || text.chars().any(char::is_control) {
        return Err(wrong("/name", "has to be 1 to 64 characters on one line"));
    }
    Ok(text.to_owned())
}

fn bytes(pointer: &str, text: &str, most: usize) -> Result<Vec<u8>, Fault> {
    let read = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() <= most);
    let rule = || wrong(pointer, &format!("has to be base64url of at most {most} bytes"));
    read.ok_or_else(rule)
}

fn wrong(pointer: &str, rule: &str) -> Fault {
    let field = pointer.rsplit('/').next().unwrap_or_default();
    Fault::invalid(format!("{field} {rule}")).with_pointer(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer<T>(read: Result<T, Fault>) -> Option<String> {
        read.err().map(|fault| fault.pointer().unwrap_or_default().to_owned())
    }

    fn of(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0; bytes])
    }

    #[test]
    fn name_is_one_line_within_its_bounds() {
        assert_eq!(name(" Ann's phone ").unwrap(), "Ann's phone");
        assert!(name(&"é".repeat(64)).is_ok());
        for bad in ["", " ", "a\nb", "a\0", &"é".repeat(65)] {
            assert_eq!(pointer(name(bad)).as_deref(), Some("/name"), "{bad:?}");
        }
    }

    #[test]
    fn each_part_of_an_assertion_has_its_bound() {
        let token = ChallengeToken::parse(&format!("ych_{}", of(32))).unwrap();
        let read = |change: &dyn Fn(&mut wire::PasskeyAssertion)| {
            let mut given = wire::PasskeyAssertion::default();
            change(&mut given);
            pointer(Answer::read(&token, &given, "passkey"))
        };
        assert_eq!(read(&|_given| ()), None);
        type Field = fn(&mut wire::PasskeyAssertion) -> &mut String;
        let fields: [(&str, Field, usize); 5] = [
            ("/passkey/credential_id", |given| &mut given.credential_id, 1_023),
            ("/passkey/client_data_json", |given| &mut given.client_data_json, 4_096),
            ("/passkey/authenticator_data", |given| &mut given.authenticator_data, 4_096),
            ("/passkey/signature", |given| &mut given.signature, 1_024),
            ("/passkey/user_handle", |given| &mut given.user_handle, 64),
        ];
        for (at, field, most) in fields {
            assert_eq!(read(&|given| *field(given) = of(most)), None, "{at}");
            for bad in [of(most + 1), "AA==".to_owned(), "+/".to_owned(), "A".to_owned()] {
                let read = read(&|given| (*field(given)).clone_from(&bad));
                assert_eq!(read.as_deref(), Some(at), "{bad}");
            }
        }
    }

    #[test]
    fn each_part_of_an_attestation_has_its_bound() {
        let read = |client_data: usize, object: usize, transports: &[&str]| {
            pointer(Attestation::read(Some(wire::PasskeyAttestation {
                client_data_json: of(client_data),
                attestation_object: of(object),
                transports: transports.iter().map(|&text| text.to_owned()).collect(),
            })))
        };
        assert_eq!(read(4_096, 8_192, &["usb", "smart-card"]), None);
        assert_eq!(read(0, 0, &["x"; 8]), None);
        assert_eq!(read(4_097, 0, &[]).as_deref(), Some("/attestation/client_data_json"));
        assert_eq!(read(0, 8_193, &[]).as_deref(), Some("/attestation/attestation_object"));
        for bad in [&["x"; 9][..], &[""], &["USB"], &["a b"], &["x\0"], &[&"x".repeat(33)]] {
            assert_eq!(read(0, 0, bad).as_deref(), Some("/attestation/transports"), "{bad:?}");
        }
        assert_eq!(pointer(Attestation::read(None)).as_deref(), Some("/attestation"));
    }
}
