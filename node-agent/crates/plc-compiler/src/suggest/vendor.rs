//! Names that sources use and vendors' libraries declare: who misses one should learn whose it is.

/// A name, or its beginning before a `*`, in upper case, and the library.
const NAMES: &[(&str, &str)] = &[
    ("MC_*", MOTION),
    ("AXIS_REF*", MOTION),
    ("ST_AXISSTATUS", MOTION),
    ("ST_AXISPARAMETERSET", MOTION),
    ("SMC_*", "CODESYS SoftMotion"),
    ("SM3_*", "CODESYS SoftMotion"),
    ("SF_*", "the PLCopen safety blocks"),
    ("MEMSET", SYSTEM),
    ("MEMCPY", SYSTEM),
    ("MEMMOVE", SYSTEM),
    ("MEMCMP", SYSTEM),
    ("ADSLOG*", SYSTEM),
    ("ADSREAD*", SYSTEM),
    ("ADSWRITE*", SYSTEM),
    ("T_MAXSTRING", SYSTEM),
    ("T_AMS*", SYSTEM),
    ("FB_FILE*", SYSTEM),
    ("PLCTASKSYSTEMINFO", SYSTEM),
    ("_TASKINFO", SYSTEM),
    ("TWINCAT_SYSTEMINFOVARLIST", SYSTEM),
    ("FB_FORMATSTRING*", UTILITIES),
    ("F_STRING", UTILITIES),
    ("F_REAL", UTILITIES),
    ("F_LREAL", UTILITIES),
    ("F_INT", UTILITIES),
    ("F_DINT", UTILITIES),
    ("F_UDINT", UTILITIES),
    ("BYTE_TO_HEXSTR", UTILITIES),
    ("WORD_TO_HEXSTR", UTILITIES),
    ("DWORD_TO_HEXSTR", UTILITIES),
    ("SYSTEMTIME_TO_DT", UTILITIES),
    ("FB_LOCALSYSTEMTIME", UTILITIES),
    ("FB_GETTIMEZONEINFORMATION", UTILITIES),
    ("FB_TZSPECIFICLOCALTIMETOSYSTEMTIME", UTILITIES),
    ("FB_HASHTABLECTRL", UTILITIES),
    ("T_HHASHTABLE", UTILITIES),
    ("F_CREATEHASHTABLEHND", UTILITIES),
    ("DRAND", UTILITIES),
    ("F_GETCURDCTICKTIME*", "TwinCAT's Tc2_EtherCAT"),
    ("FB_EC*", "TwinCAT's Tc2_EtherCAT"),
    ("FB_CTRL_*", CONTROLLER),
    ("ST_CTRL_*", CONTROLLER),
    ("E_CTRL_*", CONTROLLER),
    ("FB_JSON*", "TwinCAT's Tc3_JsonXml"),
    ("TCEVENTSEVERITY", "TwinCAT's Tc3_EventLogger"),
    ("FB_TCMESSAGE", "TwinCAT's Tc3_EventLogger"),
    ("FB_TESTSUITE", TC_UNIT),
    ("TEST_FINISHED*", TC_UNIT),
    ("ASSERTTRUE", TC_UNIT),
    ("ASSERTFALSE", TC_UNIT),
    ("ASSERTEQUALS*", TC_UNIT),
    ("SYSFILE*", "CODESYS' system libraries"),
    ("SYSTIME*", "CODESYS' system libraries"),
    ("SYSMEM*", "CODESYS' system libraries"),
    ("BLINK", UTIL),
    ("CHARCURVE", UTIL),
    ("DERIVATIVE", UTIL),
    ("INTEGRAL", UTIL),
    ("HYSTERESIS", UTIL),
    ("LIMITALARM", UTIL),
    ("LIN_TRAFO", UTIL),
    ("RAMP_INT", UTIL),
    ("RAMP_REAL", UTIL),
    ("STATISTICS_*", UTIL),
    ("FREQ_MEASURE", UTIL),
];

const MOTION: &str = "the vendors' motion libraries (PLCopen, Tc2_MC2, SoftMotion)";
const SYSTEM: &str = "TwinCAT's Tc2_System";
const UTILITIES: &str = "TwinCAT's Tc2_Utilities";
const CONTROLLER: &str = "TwinCAT's Tc2_ControllerToolbox";
const TC_UNIT: &str = "TcUnit";
const UTIL: &str = "CODESYS' Util";

/// What to do about a name that nobody declares, if it is known whose it is.
pub(crate) fn help(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    let (space, last) = name.split_once('.').unwrap_or(("", &name));
    let library = if space.starts_with("TC2_") || space.starts_with("TC3_") {
        "a TwinCAT library"
    } else {
        NAMES.iter().find(|(pattern, _)| fits(last, pattern))?.1
    };
    Some(format!("it belongs to {library}, which Lineshaft does not have: declare a stand-in for it"))
}

fn fits(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::{NAMES, help};

    #[test]
    fn names_the_library() {
        assert!(help("mc_Power").is_some_and(|text| text.contains("motion")));
        assert!(help("TcUnit.FB_TestSuite").is_some_and(|text| text.contains("TcUnit")));
        assert!(help("Tc2_Whatever.FB_X").is_some_and(|text| text.contains("TwinCAT")));
        assert_eq!(help("Conveyor"), None);
        assert_eq!(help("MEMSETTING"), None);
    }

    #[test]
    fn patterns_are_in_upper_case() {
        assert!(NAMES.iter().all(|(pattern, _)| *pattern == pattern.to_ascii_uppercase()));
    }
}
