import {
  ActionIcon,
  Button,
  Chip,
  createTheme,
  type MantineColorsTuple,
  Modal,
  NativeSelect,
  NumberInput,
  Paper,
  PasswordInput,
  Radio,
  SegmentedControl,
  Select,
  Switch,
  Textarea,
  TextInput,
  Tooltip,
} from "@mantine/core";

const steel: MantineColorsTuple = [
  "#eef5fb",
  "#dce8f3",
  "#b4cee6",
  "#8ab3d9",
  "#679ccf",
  "#518ec9",
  "#4486c6",
  "#3573b0",
  "#22598f",
  "#1f4e79",
];

const tall = { styles: { input: { minHeight: 44 } } };

/** System fonts only; the CJK families come after the Latin ones, so that figures look the same in both languages. */
const fontFamily =
  'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang TC", "Microsoft JhengHei", "Noto Sans TC", "Noto Sans CJK TC", sans-serif';

export const theme = createTheme({
  primaryColor: "steel",
  primaryShade: { light: 8, dark: 7 },
  colors: { steel },
  fontFamily,
  headings: { fontFamily, fontWeight: "650" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // 44 px: a gloved finger's width
    ActionIcon: ActionIcon.extend({ defaultProps: { size: 44, variant: "subtle", color: "gray" } }),
    Button: Button.extend({ defaultProps: { size: "md" }, styles: { root: { minHeight: 44 } } }),
    Chip: Chip.extend({ styles: { label: { height: 44 } } }),
    Modal: Modal.extend({
      styles: {
        content: { background: "var(--surface)" },
        header: { background: "var(--surface)" },
        title: { fontWeight: 650 },
      },
    }),
    Paper: Paper.extend({ defaultProps: { withBorder: true, bg: "var(--surface)" } }),
    NativeSelect: NativeSelect.extend(tall),
    NumberInput: NumberInput.extend({ defaultProps: { hideControls: true }, ...tall }),
    PasswordInput: PasswordInput.extend({
      defaultProps: { rightSectionWidth: 44 },
      styles: { ...tall.styles, innerInput: { minHeight: 44 }, visibilityToggle: { width: 44, height: 44 } },
    }),
    Radio: Radio.extend({ styles: { body: { alignItems: "center" }, label: { paddingBlock: 12 } } }),
    SegmentedControl: SegmentedControl.extend({
      styles: { label: { minHeight: 44, minWidth: 44, display: "grid", alignContent: "center" } },
    }),
    Select: Select.extend(tall),
    Switch: Switch.extend({ styles: { body: { alignItems: "center" }, label: { paddingBlock: 12 } } }),
    Textarea: Textarea.extend(tall),
    TextInput: TextInput.extend(tall),
    Tooltip: Tooltip.extend({
      defaultProps: { openDelay: 400, withArrow: true, events: { hover: true, focus: true, touch: false } },
    }),
  },
});
