use std::net::IpAddr;

use tonic::metadata::MetadataMap;
use yard_contracts::guard::v1::Origin;

/// What the gateway tells of where a call comes from.
pub(super) fn origin(metadata: &MetadataMap) -> Origin {
    let text = |name: &str| {
        metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut origin = Origin {
        client: text("yard-client-ip"),
        peer: text("yard-peer-ip"),
        peer_trusted: text("yard-peer-trusted") == "true",
        header: text("yard-forwarded-header"),
        forwarded: text("yard-forwarded"),
        remarks: Vec::new(),
    };
    origin.remarks = remarks(&origin);
    origin
}

/// The client's address alone.
pub(super) fn client(metadata: &MetadataMap) -> Option<IpAddr> {
    metadata.get("yard-client-ip")?.to_str().ok()?.parse().ok()
}

fn remarks(origin: &Origin) -> Vec<String> {
    let mut remarks = Vec::new();
    let header = &origin.header;
    if !origin.peer_trusted && !origin.forwarded.is_empty() {
        remarks.push(format!(
            "{} sends {header}, but is not in http.trusted_proxies: if it is a proxy of yours, all \
             its clients share one address",
            origin.peer
        ));
    }
    if origin.peer_trusted && origin.forwarded.is_empty() {
        remarks.push(format!(
            "{} is a trusted proxy, but sends no {header}: all its clients share one address",
            origin.peer
        ));
    }
    if origin.peer_trusted && !origin.forwarded.is_empty() && origin.client == origin.peer {
        remarks.push(format!("{header} could not be read; its right-most address counts"));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks_on(client: &str, peer: &str, trusted: &str, forwarded: &str) -> usize {
        let mut metadata = MetadataMap::new();
        for (name, text) in [
            ("yard-client-ip", client),
            ("yard-peer-ip", peer),
            ("yard-peer-trusted", trusted),
            ("yard-forwarded-header", "x-forwarded-for"),
            ("yard-forwarded", forwarded),
        ] {
            metadata.insert(name, text.parse().unwrap());
        }
        origin(&metadata).remarks.len()
    }

    #[test]
    fn wrong_lists_of_proxies_are_remarked_on_and_right_ones_are_not() {
        assert_eq!(remarks_on("203.0.113.9", "203.0.113.9", "false", ""), 0);
        assert_eq!(remarks_on("203.0.113.9", "10.0.0.1", "true", "203.0.113.9"), 0);
        assert_eq!(remarks_on("10.0.0.1", "10.0.0.1", "false", "203.0.113.9"), 1);
        assert_eq!(remarks_on("10.0.0.1", "10.0.0.1", "true", ""), 1);
        assert_eq!(remarks_on("10.0.0.1", "10.0.0.1", "true", "unknown"), 1);
    }
}
