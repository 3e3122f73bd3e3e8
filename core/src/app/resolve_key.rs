//! What an API key stands for, and the token that it is exchanged for: asked by proxies, who know its SHA-256.

use super::standing::key_standing_by_hash;
use super::{Core, StoryError};
use crate::domain::token::{Maker, key_claims};
use igny8_contract::messages::{KeyAnswer, KeyFacts, KeyQuery};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{KeyUse, StandingNeed, validate_key};

/// Resolves a key. One that does not exist, was revoked, has ended or has lost its maker is nothing; the standing of the
/// account is told, not judged.
///
/// # Errors
/// `validation_failed` for what is no SHA-256, `storage_unavailable`.
pub async fn resolve(core: &Core, query: &KeyQuery) -> Result<KeyAnswer, StoryError> {
    let hash = read_hex(&query.sha256).ok_or_else(|| {
        StoryError::field(
            Refusal::ValidationFailed,
            "sha256",
            "It must be 64 lower-case hexadecimal digits.",
        )
    })?;
    let nothing = Ok(KeyAnswer { key: None });
    let Some((key, standing)) = key_standing_by_hash(&core.store, hash).await? else {
        return nothing;
    };
    let now = core.machine_now();
    let key_use = KeyUse {
        expires_at: key.expires_at,
        machine_now: now,
        asks_standing: false,
    };
    if validate_key(key_use, &standing, StandingNeed::Auth, true, core.now()).is_err() {
        return nothing;
    }
    let (Some(account), Some(user)) = (&standing.account, &standing.user) else {
        return nothing;
    };
    let maker = Maker {
        role: user.role,
        user_epoch: user.user_epoch,
        account_epoch: account.account_epoch,
    };
    let claims = key_claims(&core.tokens, &key, maker, &core.unguessable(), now);
    // In its last second a key gets no token any more.
    if claims.exp <= claims.iat {
        return nothing;
    }
    let token = core.keys.sign(&claims, now)?;
    core.key_uses.note(key.id, now);
    Ok(KeyAnswer {
        key: Some(KeyFacts {
            key_id: key.id,
            account_id: key.account_id,
            user_id: key.user_id,
            role: claims.role,
            expires_at_us: key.expires_at,
            standing,
            token,
            token_exp: claims.exp,
        }),
    })
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_form() {
        assert_eq!(read_hex(&"0f".repeat(32)), Some([15; 32]));
        for other in [
            "",
            &"0F".repeat(32),
            &"0f".repeat(31),
            &"0f".repeat(33),
            &"zz".repeat(32),
        ] {
            assert_eq!(read_hex(other), None, "{other}");
        }
    }
}
