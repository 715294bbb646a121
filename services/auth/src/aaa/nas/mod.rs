//! NAS, managed by their tenant.

mod store;

use std::net::IpAddr;

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::aaa::v1 as wire;
use yard_contracts::aaa::v1::nas_service_server::NasService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{PgError, TenantTx, page};

use super::{Aaa, random_text};
use store::Nas;

/// What a shared secret is sealed for; the NAS's id is bound to it.
pub(super) const SECRET: &str = "radius-nas-secret";
const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
/// Characters of a secret: 160 bits. RFC 2865 asks for 16 octets at least.
const SECRET_LENGTH: usize = 32;
/// NAS of one tenant.
const MOST: i64 = 1_000;

/// Serves `NasService`.
pub(super) struct NasGrpc {
    pub(super) aaa: Aaa,
}

#[async_trait]
impl NasService for NasGrpc {
    async fn create_nas(
        &self,
        request: Request<wire::CreateNasRequest>,
    ) -> Result<Response<wire::CreateNasResponse>, Status> {
        let call = Call::of(&request);
        let wish = request.into_inner().nas.unwrap_or_default();
        self.create(&call.caller, &wish).await.rpc(&call, "register a NAS")
    }

    async fn list_nas(
        &self,
        request: Request<wire::ListNasRequest>,
    ) -> Result<Response<wire::ListNasResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list NAS")
    }

    async fn update_nas(
        &self,
        request: Request<wire::UpdateNasRequest>,
    ) -> Result<Response<wire::Nas>, Status> {
        let call = Call::of(&request);
        self.update(&call.caller, request.into_inner()).await.rpc(&call, "change a NAS")
    }

    async fn rotate_nas_secret(
        &self,
        request: Request<wire::RotateNasSecretRequest>,
    ) -> Result<Response<wire::RotateNasSecretResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().nas_id;
        self.rotate(&call.caller, id).await.rpc(&call, "give a NAS another secret")
    }

    async fn delete_nas(
        &self,
        request: Request<wire::DeleteNasRequest>,
    ) -> Result<Response<wire::DeleteNasResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().nas_id;
        self.delete(&call.caller, id).await.rpc(&call, "take a NAS away")
    }
}

impl NasGrpc {
    async fn create(
        &self,
        caller: &Caller,
        wish: &wire::Nas,
    ) -> Result<wire::CreateNasResponse, Fault> {
        let now = self.aaa.0.clock.now();
        let nas = Nas {
            id: self.aaa.0.ids.uuid7(),
            name: name(&wish.name)?,
            address: address(&wish.address)?,
            disabled_at: wish.disabled.then_some(now),
            created_at: now,
            changed_at: None,
        };
        let mut tx = self.aaa.begin(caller).await?;
        if store::count(&mut tx).await? >= MOST {
            let text = format!("A tenant has {MOST} NAS at most.");
            return Err(Fault::new(Code::LimitReached).with_public(text));
        }
        let (secret, sealed) = self.fresh_secret(&mut tx, nas.id).await?;
        store::insert(&mut tx, &nas, &sealed, caller.subject()).await.map_err(taken)?;
        tx.commit().await?;
        Ok(wire::CreateNasResponse { nas: Some(to_wire(nas)), secret })
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListNasRequest,
    ) -> Result<wire::ListNasResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<1>(&request.page_token)?.map(|[name]| name);
        let mut tx = self.aaa.begin(caller).await?;
        let rows = store::page(&mut tx, after.as_deref(), most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| page::token(&[&last.name]));
        Ok(wire::ListNasResponse {
            nas: rows.into_iter().map(to_wire).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn update(
        &self,
        caller: &Caller,
        request: wire::UpdateNasRequest,
    ) -> Result<wire::Nas, Fault> {
        let wanted = request.nas.ok_or_else(|| Fault::invalid("nas is missing"))?;
        let id = parsed(&wanted.nas_id)?;
        let now = self.aaa.0.clock.now();
        let mut tx = self.aaa.begin(caller).await?;
        let mut nas = store::keep(&mut tx, id).await?.ok_or(Code::ResourceNotFound)?;
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "name" => nas.name = name(&wanted.name)?,
                "address" => nas.address = address(&wanted.address)?,
                "disabled" => {
                    nas.disabled_at = wanted.disabled.then(|| nas.disabled_at.unwrap_or(now));
                }
                _ => {
                    let text = "update_mask may name name, address, disabled";
                    return Err(Fault::invalid(text).with_pointer("/update_mask"));
                }
            }
        }
        nas.changed_at = Some(now);
        store::update(&mut tx, &nas).await.map_err(taken)?;
        tx.commit().await?;
        Ok(to_wire(nas))
    }

    async fn rotate(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::RotateNasSecretResponse, Fault> {
        let id = parsed(id)?;
        let mut tx = self.aaa.begin(caller).await?;
        let (secret, sealed) = self.fresh_secret(&mut tx, id).await?;
        if !store::replace_secret(&mut tx, id, &sealed, self.aaa.0.clock.now()).await? {
            return Err(Code::ResourceNotFound.into());
        }
        tx.commit().await?;
        Ok(wire::RotateNasSecretResponse { nas_id: id.as_hyphenated().to_string(), secret })
    }

    async fn delete(&self, caller: &Caller, id: &str) -> Result<wire::DeleteNasResponse, Fault> {
        let id = parsed(id)?;
        let mut tx = self.aaa.begin(caller).await?;
        if !store::delete(&mut tx, id).await? {
            return Err(Code::ResourceNotFound.into());
        }
        tx.commit().await?;
        Ok(wire::DeleteNasResponse { nas_id: id.as_hyphenated().to_string() })
    }

    /// A secret, and as it is stored.
    async fn fresh_secret(&self, tx: &mut TenantTx, id: Uuid) -> Result<(String, Vec<u8>), Fault> {
        let secret = random_text::<SECRET_LENGTH>()?;
        let key = self.aaa.key(tx).await?;
        let sealed = key.seal(SECRET, id.as_bytes(), secret.as_bytes())?;
        Ok((secret, sealed))
    }
}

fn parsed(id: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(id).map_err(|_e| Code::ResourceNotFound.into())
}

fn taken(error: PgError) -> Fault {
    let text = if error.is_taken("radius_clients_address") {
        "Another NAS has this address."
    } else if error.is_taken("radius_nas_name") {
        "Another NAS has this name."
    } else {
        return error.into();
    };
    Fault::new(Code::ResourceExists).with_public(text).with_source(error)
}

fn name(text: &str) -> Result<String, Fault> {
    let name = text.trim();
    if (1..=60).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(Fault::invalid("name has to be 1 to 60 characters").with_pointer("/nas/name"))
}

/// As the RADIUS server tells where a packet came from.
fn address(text: &str) -> Result<String, Fault> {
    let wrong = || {
        Fault::invalid("address has to be an IPv4 or IPv6 address of one NAS")
            .with_pointer("/nas/address")
    };
    let address: IpAddr = text.trim().parse().map_err(|_e| wrong())?;
    let address = address.to_canonical();
    if address.is_unspecified() || address.is_multicast() {
        return Err(wrong());
    }
    Ok(address.to_string())
}

fn to_wire(nas: Nas) -> wire::Nas {
    wire::Nas {
        nas_id: nas.id.as_hyphenated().to_string(),
        name: nas.name,
        address: nas.address,
        disabled: nas.disabled_at.is_some(),
        created_at: Some(timestamp(nas.created_at)),
        changed_at: nas.changed_at.map(timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_one_nas_in_one_spelling() {
        for (given, kept) in [
            ("192.0.2.7", "192.0.2.7"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(address(given).unwrap(), kept);
        }
        for wrong in
            ["", "192.0.2.0/24", "192.0.2.7:1812", "0.0.0.0", "::", "224.0.0.1", "nas.example"]
        {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn name_has_sixty_characters_at_most() {
        assert!(name(&"ä".repeat(60)).is_ok());
        assert!(name(&"ä".repeat(61)).is_err());
        assert!(name("  ").is_err() && name("a\nb").is_err());
    }
}
