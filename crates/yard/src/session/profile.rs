//! Where the session's token is kept between two commands.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::pki;

/// A signed-in session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Where the platform is.
    pub url: String,
    /// As secret as a password.
    pub session_token: String,
}

/// The file that holds it: what `--profile-file` says, else `YARD_PROFILE`, else
/// `yard/profile.toml` in the person's configuration folder.
#[derive(Debug, Clone)]
pub struct ProfileFile(PathBuf);

impl ProfileFile {
    /// Finds the place; nothing is read yet.
    pub fn locate(option: Option<PathBuf>) -> Outcome<Self> {
        let folder = |name: &str, below: &str| {
            environment(name).map(|dir| PathBuf::from(dir).join(below).join("yard/profile.toml"))
        };
        option
            .or_else(|| environment("YARD_PROFILE").map(PathBuf::from))
            .or_else(|| folder("XDG_CONFIG_HOME", ""))
            .or_else(|| folder("HOME", ".config"))
            .map(Self)
            .ok_or_else(|| Failure::Usage("give --profile-file: HOME is not set".to_owned()))
    }

    /// The platform, with the session of the file.
    pub fn api(&self) -> Outcome<Api> {
        if !self.0.exists() {
            return Err(Failure::other("not signed in; begin with `yard login`"));
        }
        let text = fs::read_to_string(&self.0).map_err(Failure::file(&self.0))?;
        let profile: Profile = toml::from_str(&text).map_err(|_error| {
            Failure::other(format!("{} is no profile; sign in again", self.0.display()))
        })?;
        Api::signed_in(&profile.url, &profile.session_token)
    }

    pub(crate) fn write(&self, profile: &Profile) -> Outcome {
        let text = toml::to_string(profile).map_err(|error| Failure::other(error.to_string()))?;
        pki::write_private(&self.0, &text)
    }

    pub(super) fn remove(&self) -> Outcome {
        fs::remove_file(&self.0).map_err(Failure::file(&self.0))
    }
}

/// Only the place of the profile depends on the environment.
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use yard_testkit::TestFolder;

    use super::*;

    #[test]
    fn profile_written_is_private_and_read_back() {
        let dir = TestFolder::new("profile");
        let file = ProfileFile::locate(Some(dir.join("a/profile.toml"))).unwrap();
        assert!(file.api().is_err());
        let profile =
            Profile { url: "http://h:1".to_owned(), session_token: "yst_\"x\"".to_owned() };
        file.write(&profile).unwrap();
        assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.api().unwrap().base(), "http://h:1");
        file.remove().unwrap();
        assert!(file.api().is_err());
    }
}
