//! Every diagnostic code: number, default severity, title and explanation.
//!
//! Groups: LS00xx lexical, LS01xx syntax, LS02xx names, LS09xx dialect and what is not supported yet, LS30xx
//! types, LS40xx declarations, LS41xx located variables, LS42xx tasks, LS43xx tests, LS50xx objects, LS60xx
//! constant evaluation, LS70xx limits. A code never changes its meaning.

use super::Severity;

/// A row of the table of codes.
#[derive(Clone, Copy, Debug)]
pub struct CodeInfo {
    /// `LS3002`
    pub id: &'static str,
    /// Unless the place that reports it says otherwise.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// What it means, why it is so, what to do.
    pub explanation: &'static str,
}

macro_rules! codes {
    ($($name:ident $id:literal $severity:ident $title:literal $explanation:literal)*) => {
        /// A diagnostic code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Code {
            $($name,)*
        }

        impl Code {
            pub(crate) fn info(self) -> &'static CodeInfo {
                &CODES[self as usize]
            }
        }

        /// All codes, in order.
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo { id: $id, severity: Severity::$severity, title: $title, explanation: $explanation },)*
        ];
    };
}

codes! {
    UnexpectedCharacter "LS0001" Error "unexpected character"
        "The character cannot begin anything in Structured Text. Identifiers are ASCII letters, digits and `_`; other characters are legal in comments and strings only."
    UnterminatedComment "LS0002" Error "comment without end"
        "A block comment or pragma runs to the end of the file. Block comments nest: each `(*` needs its own `*)`."
    UnterminatedString "LS0003" Error "string without end"
        "A string literal ends on the line where it begins. Write a line break as `$N`, a quote as `$'`."
    BadNumber "LS0004" Error "bad number"
        "The digits do not fit the base, or the number is larger than any type can hold."
    BadString "LS0005" Error "bad escape in a string"
        "Legal escapes are `$$ $' $\" $L $N $P $R $T` and two hexadecimal digits (four in a WSTRING)."
    BadTime "LS0006" Error "bad duration"
        "A duration is a list of d, h, m, s, ms, us, ns from large to small, each at most once; only the last may have a fraction: `T#1h30m`, `T#2.5s`."
    BadDate "LS0007" Error "bad date or time of day"
        "Write `D#2026-11-21`, `TOD#12:30:00.5`, `DT#2026-11-21-12:30:00`, with a date that exists."
    ReservedName "LS0008" Error "name reserved for the compiler"
        "Names that begin with `__` belong to the compiler."
    UnknownPragma "LS0009" Note "unknown attribute"
        "The attribute has no effect."

    Expected "LS0101" Error "something else was expected"
        "The text does not follow the grammar at this place."
    MissingSemicolon "LS0102" Error "missing `;`"
        "Each statement and declaration ends with `;`."
    MissingEnd "LS0103" Error "block without end"
        "The block that begins here is not closed by its END_ keyword."
    MissingSemicolonAfterEnd "LS0104" Warning "missing `;` after END_"
        "The standard asks for a `;` after END_IF, END_CASE, END_FOR, END_WHILE and END_REPEAT."
    AssignmentInExpression "LS0105" Error "`:=` in an expression"
        "`:=` assigns, `=` compares. An expression can only compare."
    EqualsAsAssignment "LS0106" Error "`=` used to assign"
        "`=` compares, `:=` assigns."
    ExitOutsideLoop "LS0107" Error "EXIT or CONTINUE outside a loop"
        "EXIT and CONTINUE act on the innermost FOR, WHILE or REPEAT."

    UnknownName "LS0201" Error "unknown name"
        "Nothing of this name is declared here or globally."
    UnknownType "LS0202" Error "unknown type"
        "No type or function block of this name is declared."
    UnknownMember "LS0203" Error "unknown member"
        "The structure or function block has no member of this name that is visible from outside."
    DuplicateName "LS0204" Error "name declared twice"
        "Identifiers ignore case: `Level` and `LEVEL` are the same name."
    NotCallable "LS0205" Error "not callable"
        "Only functions and instances of function blocks can be called."
    NotAVariable "LS0206" Error "not a variable"
        "A variable is needed here."
    NotAType "LS0207" Error "not a type"
        "The name belongs to something that is not a type."
    NotAValue "LS0208" Error "not a value"
        "The name belongs to something that has no value: a type, a function, a program."
    UnknownParameter "LS0209" Error "unknown parameter"
        "The function or function block has no parameter of this name."
    AmbiguousEnumValue "LS0210" Error "enumeration value is ambiguous"
        "Several enumerations have a value of this name. Write `TYPE#VALUE`."

    AmbiguousName "LS0211" Error "name is ambiguous"
        "Several namespaces that USING opens declare this name. Write it with its namespace."
    UnknownNamespace "LS0212" Error "unknown namespace"
        "No NAMESPACE of this name is declared."
    UnknownLabel "LS0213" Error "unknown label"
        "JMP goes to a label in the same list of statements or in one around it."

    NotSupportedYet "LS0900" Error "not supported yet"
        "The construct is part of the language and is planned, but this version does not compile it yet."
    OutsideDialect "LS0901" Error "extension outside the chosen dialect"
        "The construct is an extension that `spec.program.dialect` does not switch on."

    NoDynamicMemory "LS0902" Error "no dynamic memory"
        "A program has all of its memory from the start: nothing is allocated while it runs, so that no scan can run out of it or wait for it."

    TypeMismatch "LS3001" Error "types do not fit"
        "The value cannot be converted to the type that is needed here."
    Narrowing "LS3002" Error "implicit conversion would lose information"
        "Only conversions that keep every value are implicit. Say what you mean with the conversion function in the help."
    BadOperand "LS3003" Error "operator does not take this type"
        "Arithmetic takes numbers and times, AND OR XOR NOT take BOOL and bit strings, comparisons take two values of one type."
    NoCommonType "LS3004" Error "operands have no common type"
        "Neither operand converts to the other's type without loss. Convert one of them."
    LiteralOutOfRange "LS3005" Error "literal does not fit the type"
        "The constant is outside the range of the type."
    ConditionNotBool "LS3006" Error "condition is not a BOOL"
        "IF, WHILE, UNTIL need a BOOL. Write `x <> 0` for a number."
    WrongArgumentCount "LS3007" Error "wrong number of arguments"
        "Positional arguments must match the inputs one by one. Named arguments may be left out."
    MixedArguments "LS3008" Error "named and positional arguments are mixed"
        "A call names all of its arguments or none."
    MissingInOut "LS3009" Error "VAR_IN_OUT argument missing"
        "A VAR_IN_OUT parameter needs a variable at every call."
    InOutNeedsVariable "LS3010" Error "VAR_IN_OUT needs a variable of the same type"
        "The callee works on the caller's variable itself: constants, expressions and converted values have no address."
    NotIndexable "LS3011" Error "not an array"
        "Only arrays and strings have elements."
    WrongIndexCount "LS3012" Error "wrong number of indices"
        "Give one index for each dimension."
    BadPartialAccess "LS3013" Error "bad partial access"
        "`.%Xn .%Bn .%Wn .%Dn` take a part of a bit string or integer; the part must lie inside it."
    NotAssignable "LS3014" Error "cannot assign"
        "Constants, inputs from the process image, inputs of functions, loop bounds and instances cannot be written."
    DuplicateArgument "LS3015" Error "argument given twice"
        "Each parameter takes one argument."
    NoResult "LS3016" Error "function gives no result"
        "The function has no return type and can only be called as a statement."
    ResultUnused "LS3017" Warning "result is not used"
        "The function is called for nothing but its result, which is dropped."
    SideEffectSkipped "LS3018" Warning "call may be skipped"
        "AND and OR on BOOL do not evaluate the right side when the left side decides."
    LoopVariableAssigned "LS3019" Warning "loop variable is assigned in the loop"
        "The assignment takes effect, which is rarely wanted."
    BitCopyConversion "LS3020" Warning "conversion copies bits"
        "Between bit strings and REAL of equal width the standard copies the bits and does not convert the number."
    InputAssigned "LS3021" Warning "input is assigned"
        "Writing to a VAR_INPUT inside is legal, but the next call may overwrite it."

    ReferenceToTemporary "LS3022" Error "reference to something that does not last"
        "A reference leads into the state of the program. Temporaries, locals and parameters of functions, VAR_IN_OUT and single bits have no place there."
    NotAReference "LS3023" Error "not a reference"
        "Only references can be dereferenced, bound and compared with NULL."
    ForeignPointer "LS3024" Error "pointer to another kind of data"
        "Pointers convert to one another only where both lead to plain data: a reference or an instance behind a pointer of another type could be forged."

    RecursiveType "LS4001" Error "type contains itself"
        "A structure or function block cannot contain itself: it would have no size."
    RecursiveCall "LS4002" Error "recursive call"
        "Functions and function blocks must not call themselves, directly or through others: the stack of a scan is bounded."
    BadArrayBounds "LS4003" Error "bad array bounds"
        "The lower bound must not exceed the upper bound."
    BadSubrange "LS4004" Error "bad subrange"
        "A subrange belongs to an integer type, and its lower limit must not exceed the upper limit."
    BadStringLength "LS4005" Error "bad string length"
        "A string holds 1 to 32766 characters."
    SectionNotAllowed "LS4006" Error "variable section not allowed here"
        "The kind of declaration does not fit the place: functions have no VAR_EXTERNAL with values, programs no result."
    ConstantWithoutValue "LS4007" Error "constant without value"
        "A CONSTANT variable needs an initial value."
    InitialiserShape "LS4008" Error "initial value does not fit"
        "Arrays take `[…]`, structures and function blocks `(member := value, …)`."
    TooManyValues "LS4009" Error "too many initial values"
        "The array has fewer elements than values are given."
    TooFewValues "LS4010" Note "fewer initial values than elements"
        "The other elements start with the default of their type."
    ExternalMismatch "LS4011" Error "VAR_EXTERNAL does not match"
        "A VAR_EXTERNAL names a VAR_GLOBAL of the same type."
    InstanceInFunction "LS4012" Error "function block instance in a function"
        "A function keeps nothing between calls, so it cannot hold an instance."
    EdgeNeedsBool "LS4013" Error "R_EDGE or F_EDGE needs a BOOL input"
        "Edge detection is for BOOL inputs of function blocks and programs."
    NoProgram "LS4014" Error "nothing to run"
        "A controller needs at least one PROGRAM."
    EnumValueRepeated "LS4015" Error "two enumeration values are equal"
        "Values of an enumeration must differ."
    VariableKind "LS4016" Error "type cannot be used here"
        "Programs cannot be instantiated as variables; functions are no types."


    OpenArrayNotAllowed "LS4017" Error "ARRAY[*] not allowed here"
        "Arrays with open bounds are for the inputs, outputs and VAR_IN_OUT of functions, methods and function blocks."
    BadOverlap "LS4018" Error "member cannot share its place"
        "References, interfaces and instances do not share their place with anything: they could be forged."

    BadAddress "LS4101" Error "bad address"
        "Addresses are `%`, one of I Q M, one of X B W D L, and a number: `%IX0.0`, `%QW3`."
    AddressTypeMismatch "LS4102" Error "address does not fit the type"
        "X takes BOOL, B W D L take types of 1, 2, 4, 8 bytes."
    WriteToInput "LS4103" Error "write to the input image"
        "`%I` is what the field devices report; the program can only read it."
    LocatedNotAllowed "LS4104" Error "address not allowed here"
        "AT is legal on globals and on variables of programs and function blocks."
    UnknownBinding "LS4105" Error "binding names no variable"
        "VAR_CONFIG or `io.bindings` names a path that does not exist or cannot be located."
    BoundTwice "LS4106" Error "variable has two addresses"
        "The variable has an address already."
    IncompleteAddress "LS4107" Error "incomplete address"
        "A variable `AT %I*` needs its address from VAR_CONFIG or from `io.bindings`."

    BadAccessPath "LS4108" Error "VAR_ACCESS cannot name this"
        "VAR_ACCESS gives another name to a variable of the program, with the variable's type. What the program cannot write, a constant or an input, is READ_ONLY."

    UnknownTask "LS4201" Error "unknown task"
        "The resource declares no task of this name."
    UnknownProgram "LS4202" Error "unknown program"
        "No PROGRAM of this name is declared."
    TwoWriters "LS4203" Warning "two tasks write one variable"
        "The last writer wins."
    BadTask "LS4204" Error "bad task"
        "A task needs INTERVAL or SINGLE, and an interval above zero."
    UnknownResource "LS4205" Error "unknown resource"
        "`program.resource` names a RESOURCE that the source does not declare, or the source has several and none is chosen."
    NoTaskPrograms "LS4207" Error "task without programs"
        "A task that the source does not declare must say which programs it runs."

    TestOnly "LS4301" Error "only in a TEST"
        "Assertions and ADVANCE_TIME stand in TEST, SETUP, TEARDOWN and MOCK blocks. A program uses ASSERT."
    MockTarget "LS4302" Error "cannot be mocked"
        "A MOCK names a function or function block that the sources declare, and of the same kind. Functions of the standard cannot be mocked."
    NoTest "LS4303" Warning "serves no TEST"
        "SETUP, TEARDOWN and MOCK belong to the tests of their file, and the file has none."

    BadInheritance "LS5001" Error "bad EXTENDS or IMPLEMENTS"
        "Classes and function blocks extend one of their kind that is not FINAL and implement interfaces; interfaces extend interfaces; nothing inherits from itself."
    MissingMethod "LS5002" Error "method is not implemented"
        "A class implements every method of its interfaces, and every ABSTRACT method unless it is ABSTRACT itself."
    SignatureMismatch "LS5003" Error "method differs from what it overrides"
        "An overriding method has the parameters, result and access of the method it overrides."
    NothingOverridden "LS5004" Error "nothing to override"
        "OVERRIDE needs a method of this name in a base class."
    OverrideMissing "LS5005" Warning "method overrides without saying so"
        "The method replaces the one of the base class. Write OVERRIDE if that is meant."
    FinalOverridden "LS5006" Error "FINAL method is overridden"
        "A FINAL method stays as it is in all derived classes."
    NotAccessible "LS5007" Error "member is not accessible here"
        "PRIVATE members belong to their class, PROTECTED ones also to derived classes, INTERNAL ones to their namespace."
    AbstractInstance "LS5008" Error "instance of an abstract class"
        "An ABSTRACT class or an interface has no instances: declare one of a derived class."
    NoObject "LS5009" Error "THIS or SUPER outside of an object"
        "THIS is for methods and bodies of classes and function blocks, SUPER for those with EXTENDS."
    AbstractCalled "LS5010" Error "abstract method is called"
        "SUPER names the method of the base class, which has no body."
    BadProperty "LS5011" Error "property cannot be used so"
        "A property without SET is read only, one without GET write only."
    InOutInMethod "LS5012" Error "VAR_IN_OUT in a method"
        "The VAR_IN_OUT of a function block lead to the caller's variables, during the call of its body only."

    NotConstant "LS6001" Error "not a constant expression"
        "Initial values, bounds, lengths and CASE labels must be known before the program runs."
    ConstantOverflow "LS6002" Error "constant is too large"
        "The value of the constant expression does not fit its type."
    ConstantDivision "LS6003" Error "division by zero"
        "The divisor is the constant 0."
    ConstantIndex "LS6004" Error "index out of bounds"
        "The index is a constant outside the array's bounds."
    CaseOverlap "LS6005" Error "CASE labels overlap"
        "Each value selects one branch."
    ForStepZero "LS6006" Error "FOR with BY 0"
        "The loop would never end."
    RecursiveConstant "LS6007" Error "constant depends on itself"
        "The value of the constant is defined by itself."
    ConstantRange "LS6008" Error "value outside the subrange"
        "The constant is outside the subrange."

    TooDeep "LS7001" Error "nested too deep"
        "Blocks, parentheses and types nest at most 256 deep."
    SourceTooLong "LS7002" Error "source too long"
        "A source unit has at most 16 MiB."
    TooManyErrors "LS7003" Note "too many errors"
        "Only the first 50 errors are shown."
    StateTooLarge "LS7004" Error "variables take too much memory"
        "The state of a program has at most 64 MiB."
    FrameTooLarge "LS7005" Error "local variables take too much memory"
        "The frames of all functions on one call path have at most 1 MiB together."
    ExpressionTooLong "LS7006" Error "expression too long"
        "An expression has at most 1000 operators in a chain. Split it."
    OutOfMemory "LS7007" Error "no memory to compile"
        "The machine could not give the compiler a stack."
    TooManyTests "LS7008" Error "too many tests"
        "A program has at most 10,000 tests, and each gets a copy of SETUP, TEARDOWN and the mocks of its file."
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn ids_are_unique_and_well_formed() {
        let mut seen = std::collections::HashSet::new();
        for code in CODES {
            assert!(code.id.len() == 6 && code.id.starts_with("LS"), "{}", code.id);
            assert!(seen.insert(code.id), "{} twice", code.id);
            assert!(code.explanation.ends_with('.'), "{}", code.id);
        }
    }
}
