interface TextFieldProps {
  label: string;
  value: string;
  required?: boolean;
  maxLength: number;
  onChange: (value: string) => void;
}

export function TextField({ label, value, required, maxLength, onChange }: TextFieldProps) {
  return (
    <label className="block font-medium">
      {label}
      <input
        className="field mt-1 w-full"
        autoComplete="off"
        required={required}
        maxLength={maxLength}
        value={value}
        onChange={(event) => {
          onChange(event.target.value);
        }}
      />
    </label>
  );
}
