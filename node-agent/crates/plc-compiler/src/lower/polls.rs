//! Polls of calls. A program without loops can run for ever too: functions that each call the next one twice, or
//! methods that call one another through an interface. So somebody who wants it to end must be heard there.

use crate::ir::{Function, Inst, Module, Op};

/// Calls that a function may make without a poll, those of what it calls counted.
const CALLS_MAX: u64 = 20;

/// Adds them: to every call by dispatch, through which alone recursion goes, and to the entry of every function
/// below which many calls are made.
pub(super) fn add(module: &mut Module) {
    for function in &mut module.functions {
        before_dispatch(function);
    }
    let mut calls = Calls { module, known: vec![None; module.functions.len()], polled: Vec::new() };
    for func in 0..calls.known.len() {
        calls.below(func);
    }
    for func in calls.polled {
        at_entry(&mut module.functions[func]);
    }
}

fn before_dispatch(function: &mut Function) {
    for block in &mut function.blocks {
        if !block.insts.iter().any(dispatches) {
            continue;
        }
        let old = std::mem::take(&mut block.insts);
        for inst in old {
            if dispatches(&inst) {
                block.insts.push(Inst { result: None, op: Op::Poll, site: inst.site });
            }
            block.insts.push(inst);
        }
    }
}

fn dispatches(inst: &Inst) -> bool {
    matches!(inst.op, Op::CallVirtual { .. })
}

fn at_entry(function: &mut Function) {
    // The place is that of the first call: what stands before it may be of no statement.
    let mut insts = function.blocks.iter().flat_map(|block| &block.insts);
    let call = insts.find(|inst| matches!(inst.op, Op::Call { .. }));
    if let (Some(site), Some(entry)) = (call.map(|call| call.site), function.blocks.first_mut()) {
        entry.insts.insert(0, Inst { result: None, op: Op::Poll, site });
    }
}

/// How many calls each function makes before a poll.
struct Calls<'m> {
    module: &'m Module,
    known: Vec<Option<u64>>,
    /// Functions that poll when they are entered.
    polled: Vec<usize>,
}

impl Calls<'_> {
    /// Calls of a function and what it calls; those by dispatch poll by themselves, and so no circle is left.
    fn below(&mut self, func: usize) -> u64 {
        if let Some(known) = self.known[func] {
            return known;
        }
        let module = self.module;
        let mut calls: u64 = 0;
        for inst in module.functions[func].blocks.iter().flat_map(|block| &block.insts) {
            if let Op::Call { func, .. } = inst.op {
                calls = calls.saturating_add(1).saturating_add(self.below(func.index()));
            }
        }
        if calls > CALLS_MAX {
            self.polled.push(func);
            calls = 0;
        }
        self.known[func] = Some(calls);
        calls
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::Op;
    use crate::{Options, SourceUnit, compile};
    use std::fmt::Write as _;

    /// Polls of each function of a program.
    fn polls(text: String) -> Vec<(String, usize)> {
        let unit = SourceUnit { name: "main.st".to_owned(), text };
        let program = compile(&[unit], &Options::default()).expect("the program is right");
        let polls = |function: &crate::ir::Function| {
            let insts = function.blocks.iter().flat_map(|block| &block.insts);
            insts.filter(|inst| matches!(inst.op, Op::Poll)).count()
        };
        program.module.functions.iter().map(|function| (function.name.clone(), polls(function))).collect()
    }

    #[test]
    fn a_tree_of_calls_polls_on_its_way() {
        let mut text = String::from("FUNCTION F0 : INT F0 := 1; END_FUNCTION\n");
        for level in 1..=9 {
            let below = level - 1;
            let _ =
                writeln!(text, "FUNCTION F{level} : INT F{level} := F{below}() + F{below}(); END_FUNCTION");
        }
        text.push_str("PROGRAM Main VAR n : INT; END_VAR n := F9(); END_PROGRAM");
        let polled: Vec<String> = polls(text).into_iter().filter(|(_, n)| *n > 0).map(|(f, _)| f).collect();
        assert_eq!(polled, ["F8", "F4"]);
    }

    #[test]
    fn a_few_calls_do_not_poll() {
        let text = "FUNCTION F : INT VAR_INPUT x : INT; END_VAR F := x; END_FUNCTION
             PROGRAM Main VAR n : INT; END_VAR n := F(1) + F(2) + F(3); END_PROGRAM";
        assert!(polls(text.to_owned()).iter().all(|(_, polls)| *polls == 0));
    }

    #[test]
    fn each_call_by_dispatch_polls() {
        let text = "INTERFACE I METHOD M : INT END_METHOD END_INTERFACE
             CLASS A IMPLEMENTS I METHOD PUBLIC M : INT M := 1; END_METHOD END_CLASS
             CLASS B IMPLEMENTS I METHOD PUBLIC M : INT M := 2; END_METHOD END_CLASS
             PROGRAM Main VAR a : A; b : B; i : I; n : INT; END_VAR i := a; n := i.M(); i := b; n := n + i.M();
             END_PROGRAM";
        assert_eq!(polls(text.to_owned())[0], ("Main".to_owned(), 2));
    }
}
