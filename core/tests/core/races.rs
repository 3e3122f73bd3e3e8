//! Things that get in each other's way, on real servers: two processes on PostgreSQL, one on SQLite. Each effect comes once,
//! nobody is answered with a fault, and the doctor finds nothing.

use super::billing::{CONFIRM, UPGRADE, at_once, data, id, transfer, with};
use super::site::{Member, PASSWORD, Server, Site, on_both, staff};
use super::stripe::{self, Payer};
use super::test_clock::{DAY, ON};
use igny8_testkit::http::Request;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use sqlx::Row;
use std::time::Duration;

const CONSUME: &str = "/api/v1/credits/consume/";
const HOLDS: &str = "/api/v1/credits/holds/";
const CLOCK: &str = "/api/v1/staff/clock/";
const RENEW: &str = "/api/v1/billing/renew/";

/// A site served by as many processes as its engine takes, with one set of keys, a busy worker each, and a test clock.
struct House {
    servers: Vec<Server>,
    /// Where the second process has its ports and its log.
    _neighbour: Option<Site>,
    staff: String,
    site: Site,
}

impl House {
    fn open(site: Site) -> Self {
        let keys = site.folder.path().join("keys").display().to_string();
        let secrets = stripe::write_secrets(&site, stripe::SECRET);
        let environment = [
            ON,
            ("IGNY8_CORE__TOKENS__KEYS_DIR", &keys),
            ("IGNY8_CORE__WORKER__INTERVAL_MS", "10"),
            // The clock goes on by months: a key must outlive them.
            ("IGNY8_CORE__BILLING__IDEMPOTENCY_DAYS", "3650"),
            (stripe::SECRET_FILE, &secrets),
        ];
        let mut servers = vec![site.serve_with(&environment)];
        let neighbour = (site.engine == "postgres").then(|| Site::at("postgres", site.url.clone()));
        servers.extend(neighbour.iter().map(|neighbour| neighbour.serve_with(&environment)));
        Self {
            staff: staff(&site, &servers[0]),
            servers,
            _neighbour: neighbour,
            site,
        }
    }

    /// The process that request number `index` goes to: each in its turn.
    fn server(&self, index: usize) -> &Server {
        &self.servers[index % self.servers.len()]
    }

    fn asks(&self, index: usize, access: &str, path: &str, body: &Value) -> Request {
        self.server(index).asks(access, path, body)
    }

    fn by_staff(&self, index: usize, path: &str, body: &Value) -> Request {
        self.asks(index, &self.staff, path, body)
    }

    fn clock(&self, seconds: i64) -> Request {
        let patience = Duration::from_secs(60);
        self.by_staff(0, CLOCK, &json!({"advance_seconds": seconds}))
            .patience(patience)
    }

    /// Sends these at once; none is answered with a fault.
    #[track_caller]
    fn race(&self, requests: &[Request]) -> Vec<Response> {
        let answers = at_once(requests);
        for answer in &answers {
            assert!(answer.status < 500, "{}: {}", self.site.engine, answer.text());
        }
        answers
    }

    fn number(&self, sql: &str) -> i64 {
        self.site.number(sql)
    }

    /// Start and end of every period of an account's latest subscription, in their order.
    fn periods(&self, account: i64) -> Vec<(i64, i64)> {
        let sql = format!(
            "SELECT start_us, end_us FROM subscription_period WHERE subscription_id = \
             (SELECT MAX(id) FROM subscription WHERE account_id = {account}) ORDER BY sequence"
        );
        self.site.rows(&sql, |row| (row.get(0), row.get(1)))
    }

    fn count(&self, account: i64, rows: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {rows} AND account_id = {account}"))
    }

    fn is_active(&self, account: i64) -> bool {
        self.number(&format!(
            "SELECT COUNT(*) FROM account WHERE status = 'active' AND id = {account}"
        )) == 1
    }

    fn credits(&self, member: &Member) -> [i64; 3] {
        let credits = self.server(0).reads(&member.access, "/api/v1/credits/");
        ["balance", "held", "available"].map(|field| credits[field].as_i64().unwrap())
    }

    #[track_caller]
    fn end(self) {
        drop(self.servers);
        self.site.is_healthy();
    }
}

fn taken(answers: &[Response]) -> usize {
    answers.iter().filter(|answer| answer.status < 300).count()
}

/// Those that were not taken were refused with one of these codes.
#[track_caller]
fn refused_with(answers: &[Response], codes: &[&str]) {
    for answer in answers.iter().filter(|answer| answer.status >= 300) {
        assert!(codes.contains(&answer.code().as_str()), "{}", answer.text());
    }
}

fn spend(amount: i64) -> Value {
    json!({"amount": amount, "description": "words"})
}

#[test]
fn fifty_of_one_confirmation_by_two_processes_are_one_payment() {
    on_both(|site| {
        let house = House::open(site);
        let member = house.server(0).sign_up();
        let account = id(&member);
        let body = transfer(account, "BT-1", "29.99");
        let requests: Vec<Request> = (0..50)
            .map(|index| {
                let plain = house.by_staff(index, CONFIRM, &body);
                // Every third bears a key, and those bear the same.
                if index % 3 == 0 {
                    plain.field("Idempotency-Key", "the-one")
                } else {
                    plain
                }
            })
            .collect();
        let answers = house.race(&requests);
        let first = data(&answers[0]);
        for answer in &answers {
            assert_eq!(data(answer), first);
        }
        let new = answers
            .iter()
            .filter(|answer| answer.field("idempotency-replayed").is_none());
        assert_eq!(new.count(), 1);
        assert_eq!(house.credits(&member), [5000, 0, 5000]);
        assert_eq!(
            house.periods(account).len(),
            2,
            "the trial's, and the one that was paid for"
        );
        for (rows, expected) in [
            ("payment WHERE status = 'confirmed'", 1),
            ("receipt WHERE number > 0", 1),
            ("audit WHERE action = 'payment.confirmed'", 1),
            ("ledger_entry WHERE transaction_type = 'subscription'", 2),
        ] {
            assert_eq!(house.count(account, rows), expected, "{rows}");
        }
        house.end();
    });
}

#[test]
fn a_renewal_by_staff_the_worker_and_stripe_at_once_are_as_many_periods_as_were_asked_for() {
    on_both(|site| {
        let house = House::open(site);
        for round in 0..4 {
            let payer = Payer::new(house.server(0));
            let begun = stripe::signed(house.server(0), &payer.checkout()).send();
            assert_eq!(begun.json()["data"]["outcome"], "applied", "{}", begun.text());
            let before = house.periods(payer.account);
            let renewal = json!({"account_id": payer.account, "reason": "as agreed"});
            let key = format!("renewal-{round}");
            // The end of the period comes for the workers while everybody renews.
            let mut requests = vec![house.clock(30 * DAY)];
            for index in 0..4 {
                requests.push(house.by_staff(index, RENEW, &renewal).field("Idempotency-Key", &key));
                requests.push(stripe::signed(house.server(index), &payer.second_invoice()));
            }
            let answers = house.race(&requests);
            for answer in &answers {
                data(answer);
            }
            let periods = house.periods(payer.account);
            assert_eq!(periods.len(), before.len() + 2, "{periods:?}");
            assert!(periods.windows(2).all(|pair| pair[0].1 == pair[1].0), "{periods:?}");
            for (rows, expected) in [
                ("payment WHERE status = 'confirmed'", 2),
                ("receipt WHERE number > 0", 2),
                ("audit WHERE action = 'subscription.renewed'", 2),
                ("credit_bucket WHERE grant_number = 1", 4),
            ] {
                assert_eq!(house.count(payer.account, rows), expected, "{rows}");
            }
            let past_due = house.count(payer.account, "audit WHERE action = 'subscription.past_due'");
            assert!(past_due <= 1, "the period ended {past_due} times");
            assert!(house.is_active(payer.account));
        }
        house.end();
    });
}

#[test]
fn a_plan_that_renews_by_itself_is_renewed_once_by_however_many_workers() {
    on_both(|site| {
        let house = House::open(site);
        let members: Vec<Member> = (0..6).map(|_| house.server(0).sign_up()).collect();
        for member in &members {
            let free = json!({"account_id": id(member), "plan_slug": "free", "reason": "a favour"});
            data(&house.by_staff(0, "/api/v1/billing/assign-plan/", &free).send());
        }
        for month in 1..=3 {
            // Whoever looks at the account brings it up to the present, too.
            let mut requests = vec![house.clock(30 * DAY)];
            for (index, member) in members.iter().enumerate() {
                requests.push(house.asks(index, &member.access, CONSUME, &spend(1)));
                requests.push(house.by_staff(
                    index + 1,
                    "/api/v1/billing/adjust-credits/",
                    &json!({
                        "account_id": id(member), "amount": 1, "reason": "a gift",
                    }),
                ));
            }
            house.race(&requests);
            for member in &members {
                let periods = house.periods(id(member));
                assert_eq!(periods.len(), 2 + month, "{periods:?}");
                let renewed = house.count(id(member), "audit WHERE action = 'subscription.renewed'");
                assert_eq!(usize::try_from(renewed), Ok(month));
            }
        }
        house.end();
    });
}

#[test]
fn debits_against_holds_against_their_expiry_use_no_credit_twice_and_leave_none_unused() {
    on_both(|site| {
        let house = House::open(site);
        let member = house.server(0).sign_up();
        let account = id(&member);
        for _ in 0..8 {
            let held = json!({"amount": 100, "description": "words", "expires_in_seconds": 60});
            let answer = house.asks(0, &member.access, HOLDS, &held).send();
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
        assert_eq!(house.credits(&member), [2000, 800, 1200]);
        let mut requests: Vec<Request> = (0..64)
            .map(|index| house.asks(index, &member.access, CONSUME, &spend(37)))
            .collect();
        requests.extend((0..8).map(|index| house.asks(index, &member.access, HOLDS, &spend(50))));
        // In the middle of them, time frees what the first eight have set aside.
        requests.insert(20, house.clock(61));
        let mut answers = house.race(&requests);
        data(&answers.remove(20));
        refused_with(&answers, &["insufficient_credits"]);
        let (drawn, held) = (taken(&answers[..64]), taken(&answers[64..]));
        let expected = |drawn: usize| 2000 - 37 * i64::try_from(drawn).unwrap();
        let on_hold = 50 * i64::try_from(held).unwrap();
        let left = expected(drawn) - on_hold;
        assert_eq!(house.credits(&member), [expected(drawn), on_hold, left]);
        assert_eq!(house.count(account, "credit_hold WHERE status = 'expired'"), 8);

        // Now that nothing comes back any more, exactly as many go through as there are credits for.
        let debits: Vec<Request> = (0..64)
            .map(|index| house.asks(index, &member.access, CONSUME, &spend(37)))
            .collect();
        let answers = house.race(&debits);
        refused_with(&answers, &["insufficient_credits"]);
        assert_eq!(taken(&answers), usize::try_from(left / 37).unwrap());
        assert_eq!(house.credits(&member)[2], left % 37);
        house.end();
    });
}

#[test]
fn of_sixty_four_debits_by_two_processes_exactly_as_many_go_through_as_there_are_credits_for() {
    on_both(|site| {
        let house = House::open(site);
        let member = house.server(0).sign_up();
        let debits: Vec<Request> = (0..64)
            .map(|index| house.asks(index, &member.access, CONSUME, &spend(37)))
            .collect();
        let answers = house.race(&debits);
        refused_with(&answers, &["insufficient_credits"]);
        // ⌊2000 / 37⌋ = 54
        assert_eq!((taken(&answers), house.credits(&member)), (54, [2, 0, 2]));
        house.end();
    });
}

#[test]
fn people_who_are_signed_up_by_two_processes_at_once_are_there_once() {
    const PEOPLE: usize = 24;
    on_both(|site| {
        let house = House::open(site);
        let accounts = house.number("SELECT COUNT(*) FROM account");
        // Each four times, twice by each process: neighbours first, then in another order.
        let orders = (0..PEOPLE).map(|index| (index, index + 1));
        let orders = orders.chain((0..PEOPLE).map(|index| (index * 7 % PEOPLE, PEOPLE - index)));
        let requests: Vec<Request> = orders
            .flat_map(|(first, second)| [first, second % PEOPLE])
            .enumerate()
            .map(|(index, person)| {
                let body = json!({"email": format!("person-{person}@example.com"), "password": PASSWORD});
                house.server(index).post("/api/v1/auth/register/").json(&body)
            })
            .collect();
        let answers = house.race(&requests);
        refused_with(&answers, &["email_taken"]);
        assert_eq!(taken(&answers), PEOPLE);
        let people = i64::try_from(PEOPLE).unwrap();
        assert_eq!(house.number("SELECT COUNT(*) FROM account") - accounts, people);
        for rows in [
            "users WHERE email LIKE 'person-%@example.com' AND platform_role IS NULL",
            "ledger_entry",
            "credit_bucket",
            "subscription",
            "subscription_period",
            "mailed_token",
            "outbox",
            "audit WHERE action = 'account.registered'",
        ] {
            assert_eq!(house.number(&format!("SELECT COUNT(*) FROM {rows}")), people, "{rows}");
        }
        house.end();
    });
}

#[test]
fn an_upgrade_against_a_confirmation_by_two_processes_leaves_one_plan() {
    on_both(|site| {
        let house = House::open(site);
        for round in 0..8 {
            let member = house.server(0).sign_up();
            let account = id(&member);
            let paid = transfer(account, &format!("BT-{round}"), "29.99");
            let named = with(&paid, &json!({"plan_slug": "starter"}));
            let mut requests = Vec::new();
            for index in 0..4 {
                let plan = ["starter", "growth"][index % 2];
                let upgrade = json!({"plan_slug": plan, "payment_method": "bank_transfer"});
                requests.push(house.asks(index + round, &member.access, UPGRADE, &upgrade));
                requests.push(house.by_staff(index, CONFIRM, &named));
            }
            let answers = house.race(&requests);
            // What is waited for decides what a transfer is for: growth costs more.
            refused_with(&answers, &["amount_mismatch"]);
            let paid = house.count(account, "payment WHERE status = 'confirmed'");
            let active = house.is_active(account);
            assert_eq!(paid, i64::from(active), "{paid} payments");
            assert!(house.count(account, "payment WHERE status = 'pending'") <= 1);
        }
        house.end();
    });
}

#[test]
fn a_suspension_against_debits_lets_none_through_after_it() {
    on_both(|site| {
        let house = House::open(site);
        for _ in 0..4 {
            let member = house.server(0).sign_up();
            let account = id(&member);
            let debits: Vec<Request> = (0..32)
                .map(|index| house.asks(index, &member.access, CONSUME, &spend(10)))
                .collect();
            let mut requests = debits.clone();
            let suspend = format!("/api/v1/staff/accounts/{account}/suspend/");
            requests.insert(16, house.by_staff(1, &suspend, &json!({"reason": "abuse"})));
            let mut answers = house.race(&requests);
            data(&answers.remove(16));
            refused_with(&answers, &["account_suspended"]);
            let drawn = i64::try_from(taken(&answers)).unwrap();
            let balance = format!("SELECT credits FROM account WHERE id = {account}");
            assert_eq!(house.number(&balance), 2000 - 10 * drawn);
            // The suspension has been answered: whoever comes now comes after it.
            let late = house.race(&debits);
            refused_with(&late, &["account_suspended"]);
            assert_eq!((taken(&late), house.number(&balance)), (0, 2000 - 10 * drawn));
            assert_eq!(
                house.count(account, "ledger_entry WHERE transaction_type = 'consumption'"),
                drawn
            );
        }
        house.end();
    });
}
