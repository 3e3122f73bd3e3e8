-- Lost: which events of Stripe have come. One that is sent again is taken again; payments stay unique by themselves.
DROP TABLE stripe_event;
