use super::*;
use lineshaft_plc_compiler::{Options, SourceUnit, compile};

const PROGRAM: &str = "
TYPE E_State : (Idle := 0, Run := 5); END_TYPE
TYPE ST_Status : STRUCT
  PLCState : DINT; Alarm : ARRAY[0..3] OF BOOL; name : STRING[5]; level : LREAL; speed : INT(0..100); state : E_State;
END_STRUCT END_TYPE
PROGRAM Main VAR
  s : ST_Status; many : ARRAY[1..3] OF ST_Status; t : STRING[5]; w : WSTRING[4]; r : REF_TO INT; b : BOOL;
  same : ST_Status; big : ARRAY[1..70000] OF BYTE; u : ULINT(0..10); f : R_TRIG;
END_VAR
END_PROGRAM";

fn layout() -> Layout {
    let unit = SourceUnit { name: "main.st".into(), text: PROGRAM.into() };
    compile(&[unit], &Options::default()).unwrap().layout
}

fn schema(path: &str) -> Result<Schema, SchemaError> {
    let layout = layout();
    Schema::of(&layout, layout.find(path).unwrap().ty)
}

#[test]
fn text_says_all_that_matters() {
    assert_eq!(
        schema("Main.s").unwrap().text(),
        "STRUCT ST_Status{PLCState:DINT,Alarm:ARRAY[0..3]OF BOOL,name:STRING[5],level:LREAL,speed:INT(0..100),\
         state:ENUM E_State:INT{Idle=0,Run=5}}"
    );
    assert_eq!(schema("Main.s").unwrap().hash(), schema("Main.same").unwrap().hash());
    assert_ne!(schema("Main.s").unwrap().hash(), schema("Main.many").unwrap().hash());
}

#[test]
fn hash_ignores_case_and_reads_back() {
    assert_eq!(SchemaHash::of("struct a{b:DINT}"), SchemaHash::of("STRUCT A{B:DINT}"));
    let hash = SchemaHash::of("DINT");
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(serde_json::from_str::<SchemaHash>(&json).unwrap(), hash);
    for bad in ["\"\"", "\"0\"", "\"00000000000000000000000000000g00\"", "\"ééééééééééééééééé\""]
    {
        assert!(serde_json::from_str::<SchemaHash>(bad).is_err(), "{bad}");
    }
}

#[test]
fn references_and_long_values_are_refused_by_name() {
    assert_eq!(schema("Main.r").unwrap_err(), SchemaError::Reference("REF_TO INT".into()));
    assert_eq!(schema("Main.big").unwrap_err(), SchemaError::TooLong("ARRAY[1..70000] OF BYTE".into()));
}

/// PLCState 4, Alarm 4, name 2 + 5, level 8, speed 2, state 2: 27 bytes, without the padding of memory.
#[test]
fn structures_travel_without_padding_and_come_back() {
    let schema = schema("Main.s").unwrap();
    let codec = schema.codec();
    assert_eq!(codec.wire_len(), WireLen::Fixed(27));
    let mut memory = vec![0u8; codec.memory_len() as usize];
    memory[0..4].copy_from_slice(&(-7i32).to_le_bytes());
    memory[5] = 1;
    memory[8] = 2;
    memory[10..15].copy_from_slice(b"abXYZ");
    memory[16..24].copy_from_slice(&1.5f64.to_le_bytes());
    memory[24] = 100;
    memory[26] = 5;
    let mut wire = Vec::new();
    codec.encode(&memory, &mut wire);
    assert_eq!(wire.len(), 27);
    assert_eq!(&wire[8..15], b"\x02\0ab\0\0\0", "what follows the text stays at home");

    let mut rest = wire.as_slice();
    let value = codec.take(&mut rest).unwrap();
    assert!(rest.is_empty());
    let mut back = vec![0xEE; memory.len()];
    codec.decode(value, &mut back);
    let mut again = Vec::new();
    codec.encode(&back, &mut again);
    assert_eq!(again, wire);
    assert_eq!(back[15], 0xEE, "padding is not touched");
}

#[test]
fn what_is_no_value_of_the_type_is_refused() {
    let schema = schema("Main.s").unwrap();
    let codec = schema.codec();
    let good = vec![0u8; 27];
    assert!(codec.take(&mut good.as_slice()).is_some());
    assert!(codec.take(&mut &good[..26]).is_none(), "cut short");
    for (at, byte, what) in
        [(4, 2, "BOOL 2"), (8, 6, "text longer than the string"), (23, 101, "above the subrange")]
    {
        let mut bad = good.clone();
        bad[at] = byte;
        assert!(codec.take(&mut bad.as_slice()).is_none(), "{what}");
    }
    let unsigned = self::schema("Main.u").unwrap();
    assert!(unsigned.codec().take(&mut [0xFF; 8].as_slice()).is_none());
    assert!(unsigned.codec().take(&mut [10, 0, 0, 0, 0, 0, 0, 0].as_slice()).is_some());
}

#[test]
fn plain_strings_take_what_they_need() {
    for (path, memory, wire) in
        [("Main.t", &b"\x02\0abcde"[..], &b"\x02\0ab"[..]), ("Main.w", b"\x01\0a\0b\0c\0d\0", b"\x01\0a\0")]
    {
        let schema = schema(path).unwrap();
        let codec = schema.codec();
        let mut full = memory.to_vec();
        full.resize(codec.memory_len() as usize, 0);
        let mut out = Vec::new();
        codec.encode(&full, &mut out);
        assert_eq!(out, wire, "{path}");
        let mut image = vec![0; full.len()];
        codec.decode(codec.take(&mut out.as_slice()).unwrap(), &mut image);
        assert_eq!(image[..wire.len()], *wire);
    }
}

#[test]
fn hidden_memory_is_no_part_of_a_value() {
    let schema = schema("Main.many").unwrap();
    let covered: u32 = schema.codec().memory().iter().map(|r| r.end - r.start).sum();
    assert_eq!(covered, 3 * 27);
    assert!(covered < schema.codec().memory_len());
}
