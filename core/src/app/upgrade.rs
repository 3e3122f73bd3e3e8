//! Asking for a paid plan: its payment is waited for from then on, and nothing else changes.

use super::change::{Answer, Ask, Done, change};
use super::{Core, StoryError};
use crate::domain::book::{Book, Rules};
use crate::domain::payment::PendingPayment;
use crate::domain::plan::{ENTERPRISE, Plan, decimal};
use crate::domain::subscription::PaymentMethod;
use igny8_contract::random::Random;
use igny8_contract::refusal::Refusal;
use serde_json::Value;

/// Crockford's base32: digits and capitals without I, L, O and U, which people take for others.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a reference after its prefix: 50 random bits.
const REFERENCE_LENGTH: usize = 10;

/// How people pay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentTerms {
    /// Where transfers go to; empty where people are told another way.
    pub bank_details: String,
    /// Stripe's page to pay on, empty where people are told another way; nothing where Stripe is not used.
    pub stripe_payment_url: Option<String>,
}

/// Which plan is asked for, and how it will be paid.
#[derive(Clone, Debug)]
pub struct Upgrade {
    pub plan_slug: String,
    /// By bank transfer or through Stripe.
    pub method: PaymentMethod,
}

/// A payment that is waited for.
#[derive(Clone, Debug)]
pub struct Requested {
    pub payment: PendingPayment,
    pub plan: Plan,
    /// A sentence for people.
    pub instructions: String,
    /// Where to pay; nothing for a transfer.
    pub payment_url: Option<String>,
}

/// Asks for a paid plan. Asked for again, the answer is the same.
///
/// # Errors
/// `payment_method_unavailable`, `validation_failed` for a plan that nobody can pay for, `enterprise_needs_staff`,
/// `account_suspended`, `account_cancelled`, `not_found` for the staff's account; as for [`change`].
pub async fn upgrade<R>(core: &Core, ask: Ask, upgrade: Upgrade, render: R) -> Result<Answer, StoryError>
where
    R: Fn(&Done<Requested>) -> Result<Value, StoryError> + Send + Sync,
{
    let terms = &core.payments;
    let is_offered = match upgrade.method {
        PaymentMethod::BankTransfer => true,
        PaymentMethod::Stripe => terms.stripe_payment_url.is_some(),
        PaymentMethod::Trial | PaymentMethod::Manual => false,
    };
    if !is_offered {
        return Err(Refusal::PaymentMethodUnavailable.into());
    }
    let reference = reference(core.random.as_ref());
    let decide = |book: &mut Book, rules: &Rules<'_>, _| {
        if book.plan_id.is_none() {
            return Err(Refusal::NotFound.into());
        }
        book.is_open_to_its_people()?;
        let plan = paid_plan(rules, &upgrade.plan_slug)?;
        let payment = book.request_upgrade(plan, upgrade.method, reference.clone())?;
        let payment_url = payment_url(terms, &payment);
        Ok(Requested {
            instructions: instructions(terms, &payment, payment_url.as_deref()),
            payment,
            plan: plan.clone(),
            payment_url,
        })
    };
    change(core, ask, decide, render).await
}

fn paid_plan<'a>(rules: &Rules<'a>, slug: &str) -> Result<&'a Plan, StoryError> {
    let wrong = |sentence: &str| StoryError::field(Refusal::ValidationFailed, "plan_slug", sentence);
    let found = rules.plans.iter().find(|plan| plan.terms.slug == slug);
    if slug == ENTERPRISE || found.is_some_and(|plan| plan.terms.by_agreement) {
        return Err(Refusal::EnterpriseNeedsStaff.into());
    }
    let plan = found
        .filter(|plan| plan.terms.is_active)
        .ok_or_else(|| wrong("There is no such plan."))?;
    if !plan.terms.is_priced() {
        return Err(wrong("This plan costs nothing: there is nothing to pay for."));
    }
    Ok(plan)
}

/// What the payer writes on the transfer.
fn reference(random: &dyn Random) -> String {
    let mut bytes = [0_u8; REFERENCE_LENGTH];
    random.fill(&mut bytes);
    let characters = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    format!("IGN-{}", characters.collect::<String>())
}

fn payment_url(terms: &PaymentTerms, payment: &PendingPayment) -> Option<String> {
    if payment.method != PaymentMethod::Stripe {
        return None;
    }
    let url = terms.stripe_payment_url.as_deref().filter(|url| !url.is_empty())?;
    let separator = if url.contains('?') { '&' } else { '?' };
    Some(format!("{url}{separator}client_reference_id={}", payment.reference))
}

fn instructions(terms: &PaymentTerms, payment: &PendingPayment, payment_url: Option<&str>) -> String {
    let (amount, currency, reference) = (
        decimal(payment.amount_minor),
        &payment.currency,
        payment.reference.as_str(),
    );
    let details = terms.bank_details.trim();
    match (payment.method, payment_url) {
        (PaymentMethod::Stripe, Some(url)) => format!("Pay {amount} {currency} at {url}"),
        (PaymentMethod::Stripe, None) => {
            format!("Pay {amount} {currency} through Stripe with the reference {reference}; you are sent the link.")
        }
        (PaymentMethod::BankTransfer | PaymentMethod::Manual | PaymentMethod::Trial, _) if details.is_empty() => {
            format!("Transfer {amount} {currency} with the reference {reference}; you are sent the bank details.")
        }
        (PaymentMethod::BankTransfer | PaymentMethod::Manual | PaymentMethod::Trial, _) => {
            format!("Transfer {amount} {currency} with the reference {reference} to: {details}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::ids::PlanId;

    struct Counting;

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (byte, value) in bytes.iter_mut().zip(250_u8..=255) {
                *byte = value;
            }
        }
    }

    fn payment(method: PaymentMethod) -> PendingPayment {
        PendingPayment {
            reference: "IGN-QRSTVWXYZ0".into(),
            plan_id: PlanId(1),
            method,
            amount_minor: 2_999,
            currency: "USD".into(),
        }
    }

    #[test]
    fn a_reference_is_made_of_characters_that_nobody_takes_for_others() {
        assert_eq!(reference(&Counting), "IGN-TVWXYZ0000");
        assert!(b"ILOU".iter().all(|character| !ALPHABET.contains(character)));
    }

    #[test]
    fn a_transfer_is_told_where_to_go_or_that_this_will_be_told() {
        let mut terms = PaymentTerms::default();
        let transfer = payment(PaymentMethod::BankTransfer);
        assert_eq!(
            instructions(&terms, &transfer, None),
            "Transfer 29.99 USD with the reference IGN-QRSTVWXYZ0; you are sent the bank details."
        );
        terms.bank_details = "IGN Bank, account 12 ".into();
        assert_eq!(
            instructions(&terms, &transfer, None),
            "Transfer 29.99 USD with the reference IGN-QRSTVWXYZ0 to: IGN Bank, account 12"
        );
        assert_eq!(payment_url(&terms, &transfer), None);
    }

    #[test]
    fn the_payment_page_is_told_the_reference() {
        let by_stripe = payment(PaymentMethod::Stripe);
        for (url, expected) in [
            (
                "https://pay.test/x",
                Some("https://pay.test/x?client_reference_id=IGN-QRSTVWXYZ0"),
            ),
            (
                "https://pay.test/x?a=b",
                Some("https://pay.test/x?a=b&client_reference_id=IGN-QRSTVWXYZ0"),
            ),
            ("", None),
        ] {
            let terms = PaymentTerms {
                stripe_payment_url: Some(url.into()),
                ..PaymentTerms::default()
            };
            assert_eq!(payment_url(&terms, &by_stripe).as_deref(), expected);
            let sentence = instructions(&terms, &by_stripe, expected);
            assert!(
                sentence.contains("29.99 USD") && sentence.contains("IGN-QRSTVWXYZ0"),
                "{sentence}"
            );
        }
    }
}
