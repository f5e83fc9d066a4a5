// Printed by hardware.py.
const B_SEED: &str = "1243c68e0f28312cadcc0851ec9e21ee08861d78e70c5d04575fbe7a24159d83";
const LINE_30_36: &[i8] = &[26, 65, -123, 87, 32, 112];
const COMMITMENT: &str = "1eebeb4b5ccaee20d7079d636b9df722a51fba0ee0d5fb22870ea60cfd26a3b1";
const WALK_END: u64 = 0x2c1424654b916988;
