//! A mail server that keeps what it is given: `aiosmtpd` from PyPI, pinned by hash.

use std::fs;
use std::path::{Path, PathBuf};

use super::nats;
use crate::error::{Doing, Result};

const REQUIREMENTS: &str = "aiosmtpd==1.4.6 \
    --hash=sha256:72c99179ba5aa9ae0abbda6994668239b64a5ce054471955fe75f581d2592475\n\
    atpublic==9.0.0 \
    --hash=sha256:449c3c4f0c74df79749d6fe225ba55e2a2fce34b303f0329211e4d6989ed6f6e\n\
    attrs==26.1.0 \
    --hash=sha256:c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309\n";

/// The folder that Python finds the server's modules in.
pub(super) fn find_or_install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let (folder, stamp) = (cache.join("mail"), cache.join("mail-requirements.txt"));
    let made = fs::read_to_string(&stamp).is_ok_and(|made| made == REQUIREMENTS);
    if made && folder.join("aiosmtpd/main.py").is_file() {
        return Ok(folder);
    }
    progress("installing aiosmtpd 1.4.6 (PyPI, into the private folder)");
    let wanted = cache.join("mail-wanted.txt");
    fs::write(&wanted, REQUIREMENTS).doing(|| "write the mail server's requirements".into())?;
    nats::pip_install(&wanted, &folder, "aiosmtpd", progress)?;
    fs::rename(&wanted, &stamp).doing(|| "keep the mail server's requirements".into())?;
    Ok(folder)
}
