interface PasswordFieldProps {
  label: string;
  autoComplete: string;
  value: string;
  onChange: (value: string) => void;
}

export function PasswordField({ label, autoComplete, value, onChange }: PasswordFieldProps) {
  return (
    <label className="block font-medium">
      {label}
      <input
        type="password"
        className="field mt-1 w-full"
        required
        autoComplete={autoComplete}
        value={value}
        onChange={(event) => {
          onChange(event.target.value);
        }}
      />
    </label>
  );
}
