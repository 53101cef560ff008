//! The model of an import by which the suites' property tests judge: its own decisions, on tables so small that one can see
//! what is right. No database is needed.

#![allow(dead_code, reason = "the suites use all of the model")]

mod suite {
    mod import {
        mod oracle;

        #[path = "oracle/by_hand/mod.rs"]
        mod by_hand;
    }
}
