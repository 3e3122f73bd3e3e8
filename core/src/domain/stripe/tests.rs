use super::*;
use serde_json::json;

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../tests/core/stripe/", $name, ".json"))).unwrap()
    };
}

fn event(value: &Value) -> Result<Event, Malformed> {
    read(value.to_string().as_bytes())
}

fn fact(value: &Value) -> Fact {
    event(value).unwrap().fact
}

fn money(external_id: &str, payer_name: &str) -> Payment {
    Payment {
        external_id: external_id.into(),
        amount_minor: 2999,
        currency: "USD".into(),
        payer_name: payer_name.into(),
    }
}

/// The event with a member of its object changed, or taken away where `value` is null.
fn with(event: &Value, member: &str, value: Value) -> Value {
    let mut event = event.clone();
    let object = event["data"]["object"].as_object_mut().unwrap();
    if value.is_null() {
        object.remove(member);
    } else {
        object.insert(member.into(), value);
    }
    event
}

#[test]
fn a_paid_checkout_names_our_reference_its_subscription_and_its_first_invoice() {
    let read = event(&fixture!("checkout_session_completed")).unwrap();
    assert_eq!(
        (read.id.as_str(), read.kind.as_str()),
        ("evt_1Igny8Checkout0001", "checkout.session.completed")
    );
    assert_eq!(read.occurred_at, Some(Timestamp(1_767_225_600_000_000)));
    let expected = Checkout {
        reference: Some("IG-7QK2M9ZD".into()),
        subscription: Some("sub_1Igny8Ada0001".into()),
        payment: Some(money("in_1Igny8AdaFirst0001", "Ada Lovelace")),
    };
    assert_eq!(read.fact, Fact::Checkout(expected));
    let late = fact(&fixture!("checkout_session_async_payment_succeeded"));
    assert_eq!(late.subscription(), Some("sub_1Igny8Grace0002"));
    assert_eq!(late.paid(), Some(&money("in_1Igny8GraceFirst0002", "Grace Hopper")));
}

#[test]
fn a_checkout_pays_only_what_it_says_is_paid_and_only_under_the_name_of_its_invoice() {
    let completed = fixture!("checkout_session_completed");
    for (member, value) in [
        ("payment_status", json!("unpaid")),
        ("payment_status", json!("no_payment_required")),
        ("payment_status", Value::Null),
        ("invoice", Value::Null),
    ] {
        let read = fact(&with(&completed, member, value));
        assert_eq!(
            (read.subscription(), read.paid()),
            (Some("sub_1Igny8Ada0001"), None),
            "{member}"
        );
    }
    assert_eq!(fact(&with(&completed, "mode", json!("setup"))), Fact::Nothing);
}

#[test]
fn a_single_payment_has_the_name_of_its_invoice_its_intent_or_its_checkout() {
    let single = fixture!("checkout_session_completed_single_payment");
    let paid = |event: &Value| fact(event).paid().unwrap().external_id.clone();
    assert_eq!(fact(&single).subscription(), None);
    assert_eq!(paid(&single), "pi_3Igny8Alan0003");
    assert_eq!(paid(&with(&single, "invoice", json!("in_1"))), "in_1");
    assert_eq!(
        paid(&with(&single, "payment_intent", Value::Null)),
        "cs_test_a1Igny8CheckoutAlan0003"
    );
}

#[test]
fn an_invoice_names_its_subscription_in_the_shape_of_either_api() {
    for (event, invoice) in [
        (fixture!("invoice_paid"), "in_1Igny8AdaFirst0001"),
        (fixture!("invoice_payment_succeeded"), "in_1Igny8AdaFirst0001"),
        (fixture!("invoice_paid_2022"), "in_1Igny8AdaOlder0009"),
    ] {
        let expected = Fact::InvoicePaid {
            subscription: "sub_1Igny8Ada0001".into(),
            payment: money(invoice, "Ada Lovelace"),
        };
        assert_eq!(fact(&event), expected);
    }
    let whole = with(
        &fixture!("invoice_paid_2022"),
        "subscription",
        json!({"id": "sub_2", "object": "subscription"}),
    );
    assert_eq!(fact(&whole).subscription(), Some("sub_2"));
    assert_eq!(
        fact(&with(&fixture!("invoice_paid_2022"), "subscription", Value::Null)),
        Fact::Nothing,
        "an invoice of no subscription"
    );
}

#[test]
fn a_failed_invoice_says_what_is_due() {
    let expected = Fact::InvoiceFailed {
        subscription: "sub_1Igny8Ada0001".into(),
        payment: money("in_1Igny8AdaSecond0002", "Ada Lovelace"),
    };
    assert_eq!(fact(&fixture!("invoice_payment_failed")), expected);
}

#[test]
fn an_update_says_whether_the_subscription_ends_with_its_period() {
    let subscription = "sub_1Igny8Ada0001".to_owned();
    let cancels = |cancels| Fact::CancelChanged {
        subscription: subscription.clone(),
        cancels,
    };
    let updated = fixture!("customer_subscription_updated");
    assert_eq!(fact(&updated), cancels(true));
    assert_eq!(
        fact(&fixture!("customer_subscription_updated_2022")),
        cancels(true),
        "by an instant"
    );
    let resumed = with(
        &with(&updated, "cancel_at_period_end", json!(false)),
        "cancel_at",
        Value::Null,
    );
    assert_eq!(fact(&resumed), cancels(false));
    let much_later = with(
        &with(&updated, "cancel_at_period_end", json!(false)),
        "cancel_at",
        json!(1_800_000_000),
    );
    assert_eq!(fact(&much_later), cancels(false));
    let mut without_before = resumed;
    without_before["data"]
        .as_object_mut()
        .unwrap()
        .remove("previous_attributes");
    assert_eq!(fact(&without_before), cancels(false));
}

#[test]
fn an_update_of_something_else_says_nothing() {
    assert_eq!(fact(&fixture!("customer_subscription_updated_renewal")), Fact::Nothing);
}

#[test]
fn a_subscription_that_has_ended_has_ended_whichever_event_says_so() {
    let ended = Fact::Deleted {
        subscription: "sub_1Igny8Ada0001".into(),
    };
    assert_eq!(fact(&fixture!("customer_subscription_deleted")), ended);
    for status in ["canceled", "incomplete_expired"] {
        let updated = with(
            &fixture!("customer_subscription_updated_renewal"),
            "status",
            json!(status),
        );
        assert_eq!(fact(&updated), ended, "{status}");
    }
}

#[test]
fn every_other_kind_of_event_says_nothing_whatever_it_looks_like() {
    assert_eq!(fact(&fixture!("charge_succeeded")), Fact::Nothing);
    assert_eq!(
        fact(&json!({"id": "evt_1", "type": "v2.core.account.updated"})),
        Fact::Nothing
    );
    for odd in [
        json!({"data": {"object": 5}}),
        json!({"data": {}}),
        json!({"data": []}),
        json!({"data": {"object": {}, "previous_attributes": "none"}, "created": "today"}),
        json!({"created": 1.5}),
        json!({"created": -1}),
    ] {
        let mut odd = odd;
        odd["id"] = json!("evt_1");
        odd["type"] = json!("invoice.voided");
        let read = event(&odd).unwrap();
        assert_eq!((read.occurred_at, read.fact), (None, Fact::Nothing), "{odd}");
    }
}

#[test]
fn what_is_no_event_is_malformed() {
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"5",
        b"null",
        b"{}",
        b"\xff",
        b"{\"id\":1,\"type\":\"x\"}",
    ] {
        assert_eq!(read(body), Err(Malformed), "{}", String::from_utf8_lossy(body));
    }
    let invoice = fixture!("invoice_paid");
    let checkout = fixture!("checkout_session_completed");
    let updated = fixture!("customer_subscription_updated");
    for (event, member, value) in [
        (&invoice, "amount_paid", Value::Null),
        (&invoice, "amount_paid", json!("2999")),
        (&invoice, "amount_paid", json!(29.99)),
        (&invoice, "currency", json!("dollars")),
        (&invoice, "currency", Value::Null),
        (&invoice, "id", json!("in 1")),
        (&invoice, "id", json!("")),
        (
            &invoice,
            "parent",
            json!({"subscription_details": {"subscription": "sub\u{0}1"}}),
        ),
        (&checkout, "amount_total", Value::Null),
        (&checkout, "subscription", json!(7)),
        (&checkout, "invoice", json!("x".repeat(256))),
        (&updated, "id", Value::Null),
    ] {
        assert_eq!(
            super::read(with(event, member, value).to_string().as_bytes()),
            Err(Malformed),
            "{member}"
        );
    }
    for (member, value) in [
        ("id", json!("evt 1")),
        ("type", json!("in\u{fc}voice")),
        ("created", json!(-1)),
        ("created", json!(i64::MAX)),
        ("data", Value::Null),
        ("data", json!({})),
    ] {
        let mut event = invoice.clone();
        event[member] = value;
        assert_eq!(self::event(&event), Err(Malformed), "{member}");
    }
}

#[test]
fn a_reference_that_cannot_be_ours_is_none() {
    let completed = fixture!("checkout_session_completed");
    for value in [
        json!("a b"),
        json!("\u{0}"),
        json!("x".repeat(256)),
        json!(""),
        Value::Null,
    ] {
        let Fact::Checkout(checkout) = fact(&with(&completed, "client_reference_id", value)) else {
            panic!("it is a checkout");
        };
        assert_eq!(checkout.reference, None);
    }
}

#[test]
fn a_payers_name_is_cut_to_what_can_be_shown() {
    assert_eq!(
        payer(Some(format!(" A\u{0}da\n{}", "x".repeat(300)))),
        format!("Ada{}", "x".repeat(196))
    );
    assert_eq!(payer(None), "");
}

#[test]
fn every_fact_is_read_back_as_it_was_kept() {
    for event in [
        fixture!("checkout_session_completed"),
        fixture!("checkout_session_completed_single_payment"),
        fixture!("invoice_paid"),
        fixture!("invoice_payment_failed"),
        fixture!("customer_subscription_updated"),
        fixture!("customer_subscription_deleted"),
        fixture!("charge_succeeded"),
    ] {
        let fact = fact(&event);
        let kept = serde_json::to_string(&fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&kept).unwrap(), fact, "{kept}");
    }
}
