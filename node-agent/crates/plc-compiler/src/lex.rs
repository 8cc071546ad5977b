//! Source text to tokens. Never fails: what cannot be read becomes a diagnostic and is skipped.

pub(crate) mod literal;

use crate::diagnostic::{Code, Sink};
use crate::span::Span;
use logos::{Lexer, Logos};

/// Kind of a token. Keywords are found among the identifiers, without regard to case.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\f\u{feff}]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
pub(crate) enum Kind {
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Ident,
    /// Set by [`tokens`].
    Keyword(Keyword),
    /// `Color#`, before a name or a string.
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*#", typed_literal)]
    Typed(TypedTail),
    #[regex(r"[0-9][0-9_]*")]
    Integer,
    #[regex(r"[0-9]+#[0-9A-Za-z_]*")]
    Based,
    #[regex(r"[0-9][0-9_]*\.[0-9][0-9_]*([eE][+-]?[0-9][0-9_]*)?")]
    #[regex(r"[0-9][0-9_]*[eE][+-]?[0-9][0-9_]*")]
    Real,
    #[regex(r"'([^'$\r\n]|\$[^\r\n])*'")]
    #[regex("\"([^\"$\\r\\n]|\\$[^\\r\\n])*\"")]
    String,
    #[regex(r"'([^'$\r\n]|\$[^\r\n])*")]
    #[regex("\"([^\"$\\r\\n]|\\$[^\\r\\n])*")]
    BadString,
    #[regex(r"%[IQMiqm][XBWDLxbwdl]?(\*|[0-9]+(\.[0-9]+)*)")]
    Address,
    #[regex(r"%[XBWDLxbwdl][0-9]+")]
    #[regex(r"%[Xx][0-9]+\.[0-9]+")]
    Part,
    #[token("(*", |lexer| block_comment(lexer, "(*", "*)"))]
    #[token("/*", |lexer| block_comment(lexer, "/*", "*/"))]
    Comment(bool),
    #[token("{", pragma)]
    Pragma(bool),
    #[token(":=")]
    Assign,
    #[token("=>")]
    Arrow,
    #[token("?=")]
    TryAssign,
    #[token("**")]
    Power,
    #[token("<=")]
    LessEqual,
    #[token(">=")]
    GreaterEqual,
    #[token("<>")]
    NotEqual,
    #[token("..")]
    DotDot,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("=")]
    Equal,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("&")]
    Ampersand,
    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("^")]
    Caret,
    /// Already reported.
    Bad,
    /// After the last token.
    End,
}

/// What follows `NAME#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypedTail {
    /// A name or string: the next token.
    Open,
    /// The token holds the whole literal.
    Closed,
}

macro_rules! keywords {
    ($($name:ident $text:literal)*) => {
        /// A reserved word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Keyword {
            $($name,)*
        }

        impl Keyword {
            fn find(upper: &str) -> Option<Self> {
                match upper {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

keywords! {
    And "AND" Or "OR" Xor "XOR" Not "NOT" Mod "MOD" AndThen "AND_THEN" OrElse "OR_ELSE"
    True "TRUE" False "FALSE" Null "NULL"
    If "IF" Then "THEN" Elsif "ELSIF" Else "ELSE" EndIf "END_IF"
    Case "CASE" Of "OF" EndCase "END_CASE"
    For "FOR" To "TO" By "BY" Do "DO" EndFor "END_FOR"
    While "WHILE" EndWhile "END_WHILE" Repeat "REPEAT" Until "UNTIL" EndRepeat "END_REPEAT"
    Exit "EXIT" Continue "CONTINUE" Return "RETURN"
    Program "PROGRAM" EndProgram "END_PROGRAM"
    Function "FUNCTION" EndFunction "END_FUNCTION"
    FunctionBlock "FUNCTION_BLOCK" EndFunctionBlock "END_FUNCTION_BLOCK"
    Type "TYPE" EndType "END_TYPE" Struct "STRUCT" EndStruct "END_STRUCT" EndUnion "END_UNION" Array "ARRAY"
    Var "VAR" VarInput "VAR_INPUT" VarOutput "VAR_OUTPUT" VarInOut "VAR_IN_OUT" VarTemp "VAR_TEMP"
    VarExternal "VAR_EXTERNAL" VarGlobal "VAR_GLOBAL" VarConfig "VAR_CONFIG" VarAccess "VAR_ACCESS"
    EndVar "END_VAR" Constant "CONSTANT" Retain "RETAIN" NonRetain "NON_RETAIN" At "AT"
    Configuration "CONFIGURATION" EndConfiguration "END_CONFIGURATION"
    Resource "RESOURCE" EndResource "END_RESOURCE" Task "TASK"
    Namespace "NAMESPACE" EndNamespace "END_NAMESPACE" Using "USING"
    Class "CLASS" EndClass "END_CLASS" Interface "INTERFACE" EndInterface "END_INTERFACE"
    Method "METHOD" EndMethod "END_METHOD" Property "PROPERTY" EndProperty "END_PROPERTY"
    Action "ACTION" EndAction "END_ACTION" Transition "TRANSITION" EndTransition "END_TRANSITION"
    Step "STEP" EndStep "END_STEP" InitialStep "INITIAL_STEP"
    Test "TEST" EndTest "END_TEST" EndSetup "END_SETUP" EndTeardown "END_TEARDOWN" EndMock "END_MOCK" RefTo "REF_TO" This "THIS" Super "SUPER"
}

/// Words that are keywords only in places where no name can stand, so that variables may have these names.
const CONTEXTUAL: [Keyword; 7] = [
    Keyword::By,
    Keyword::Task,
    Keyword::Step,
    Keyword::Test,
    Keyword::Action,
    Keyword::Property,
    Keyword::Transition,
];

impl Keyword {
    /// May also be the name of a variable.
    pub(crate) fn is_contextual(self) -> bool {
        CONTEXTUAL.contains(&self)
    }
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

fn block_comment(lexer: &mut Lexer<'_, Kind>, open: &str, close: &str) -> bool {
    let rest = lexer.remainder().as_bytes();
    let (open, close) = (open.as_bytes(), close.as_bytes());
    let (mut depth, mut at) = (1, 0);
    while at + 1 < rest.len() {
        let pair = &rest[at..at + 2];
        if pair == close {
            depth -= 1;
            at += 2;
            if depth == 0 {
                lexer.bump(at);
                return true;
            }
        } else if pair == open {
            depth += 1;
            at += 2;
        } else {
            at += 1;
        }
    }
    lexer.bump(rest.len());
    false
}

fn pragma(lexer: &mut Lexer<'_, Kind>) -> bool {
    let rest = lexer.remainder();
    let end = rest.find('}');
    lexer.bump(end.map_or(rest.len(), |end| end + 1));
    end.is_some()
}

/// Takes the literal after `NAME#` as far as it belongs to it.
fn typed_literal(lexer: &mut Lexer<'_, Kind>) -> TypedTail {
    let family = literal::family(&lexer.slice()[..lexer.slice().len() - 1]);
    let rest = lexer.remainder().as_bytes();
    let mut at = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
    if !rest.get(at).is_some_and(u8::is_ascii_digit) {
        return TypedTail::Open;
    }
    let digit = |at: usize| rest.get(at).is_some_and(u8::is_ascii_digit);
    while let Some(&byte) = rest.get(at) {
        let belongs = match byte {
            b'0'..=b'9' | b'_' => true,
            b'.' => digit(at + 1),
            b':' => family == literal::Family::Date && digit(at + 1),
            b'-' if family == literal::Family::Date => digit(at + 1),
            b'+' | b'-' => {
                family == literal::Family::Number
                    && matches!(rest[at - 1], b'e' | b'E')
                    && digit(at + 1)
                    && !rest[..at].contains(&b'#')
            }
            b'#' => family == literal::Family::Number,
            _ => family != literal::Family::Date && byte.is_ascii_alphanumeric(),
        };
        if !belongs {
            break;
        }
        at += 1;
    }
    lexer.bump(at);
    TypedTail::Closed
}

/// An attribute that changes what the declaration behind it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Position of the token behind it.
    pub(crate) before: usize,
    pub(crate) span: Span,
}

/// Whether a pragma is `{attribute 'qualified_only'}`, or its short form without the word.
fn is_qualified_only(pragma: &str) -> bool {
    let inside = pragma.trim_matches(['{', '}']).trim();
    let name = inside.get(..9).filter(|word| word.eq_ignore_ascii_case("attribute"));
    let name = name.map_or(inside, |word| inside[word.len()..].trim());
    name.trim_matches('\'').eq_ignore_ascii_case("qualified_only")
}

/// All tokens of a unit, of which the last one is [`Kind::End`], and its marks.
pub(crate) fn tokens(text: &str, unit: u32, sink: &mut Sink) -> (Vec<Token>, Vec<Mark>) {
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 4);
    let mut marks = Vec::new();
    let mut bad: Option<Span> = None;
    let mut noted_pragmas = std::collections::HashSet::new();
    let mut upper = String::new();
    for (kind, range) in Kind::lexer(text).spanned() {
        let span = Span { unit, start: range.start as u32, end: range.end as u32 };
        let Ok(kind) = kind else {
            bad = Some(bad.map_or(span, |bad| bad.to(span)));
            if !matches!(tokens.last(), Some(Token { kind: Kind::Bad, .. })) {
                tokens.push(Token { kind: Kind::Bad, span });
            }
            continue;
        };
        report_bad(bad.take(), text, sink);
        match kind {
            Kind::Comment(true) => {}
            Kind::Pragma(true) if is_qualified_only(&text[range.clone()]) => {
                marks.push(Mark { before: tokens.len(), span });
            }
            Kind::Pragma(true) => {
                if noted_pragmas.insert(&text[range.clone()]) {
                    let message = format!("attribute {} has no effect", &text[range]);
                    sink.report(Code::UnknownPragma, span, message);
                }
            }
            Kind::Comment(false) => {
                sink.report(
                    Code::UnterminatedComment,
                    Span { end: span.start + 2, ..span },
                    "comment without end",
                );
            }
            Kind::Pragma(false) => {
                let message = "pragma without closing `}`";
                sink.report(Code::UnterminatedComment, Span { end: span.start + 1, ..span }, message);
            }
            Kind::BadString => {
                sink.report(Code::UnterminatedString, span, "string without closing quote on its line");
                tokens.push(Token { kind, span });
            }
            Kind::Ident => {
                upper.clear();
                upper.extend(text[range].chars().map(|c| c.to_ascii_uppercase()));
                let kind = Keyword::find(&upper).map_or(Kind::Ident, Kind::Keyword);
                tokens.push(Token { kind, span });
            }
            _ => tokens.push(Token { kind, span }),
        }
    }
    report_bad(bad.take(), text, sink);
    let end = text.len() as u32;
    tokens.push(Token { kind: Kind::End, span: Span { unit, start: end, end } });
    (tokens, marks)
}

fn report_bad(bad: Option<Span>, text: &str, sink: &mut Sink) {
    if let Some(span) = bad {
        let shown = text.get(span.start as usize..span.end as usize).unwrap_or("?");
        let shown: String = shown.chars().take(20).collect();
        sink.report(
            Code::UnexpectedCharacter,
            span,
            format!("unexpected character `{}`", shown.escape_debug()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        let mut sink = Sink::default();
        let (all, _) = tokens(text, 0, &mut sink);
        all.iter()
            .filter(|t| t.kind != Kind::End)
            .map(|t| (t.kind, &text[t.span.start as usize..t.span.end as usize]))
            .collect()
    }

    #[test]
    fn ranges_are_not_reals() {
        let expected = vec![(Kind::Integer, "1"), (Kind::DotDot, ".."), (Kind::Integer, "5")];
        assert_eq!(kinds("1..5"), expected);
        assert_eq!(kinds("T#1s..T#2s").len(), 3);
        assert_eq!(kinds("INT#1..INT#5").len(), 3);
    }

    #[test]
    fn typed_literals_are_one_token() {
        for text in
            ["T#-1d2h3.5s", "INT#-16#7F", "LREAL#1.0E-3", "DT#2026-11-21-12:30:00.5", "BOOL#1", "TOD#1:2:3"]
        {
            assert_eq!(kinds(text), vec![(Kind::Typed(TypedTail::Closed), text)], "{text}");
        }
        assert_eq!(kinds("T#5s-T#1s").len(), 3);
        assert_eq!(kinds("INT#5-3").len(), 3);
        assert_eq!(kinds("Color#Red")[0], (Kind::Typed(TypedTail::Open), "Color#"));
    }

    #[test]
    fn comments_nest_and_keywords_ignore_case() {
        assert_eq!(kinds("(* a (* b *) c *) if /* /* */ */ // x"), vec![(Kind::Keyword(Keyword::If), "if")]);
    }
}
