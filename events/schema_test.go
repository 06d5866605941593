package events

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestSchemas: the published JSON Schemas are the Go types. They are written
// by `go test -update`; a validator of our own dependencies-free module would
// be worth less than the check, in the services' tests, of every golden
// message against its schema by a real one.
func TestSchemas(t *testing.T) {
	t.Parallel()
	for _, p := range samples() {
		name := p.Type()
		doc := schemaOf(reflect.TypeOf(p))
		doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		doc["$id"] = "urn:backup-monitor:" + name
		doc["title"] = reflect.TypeOf(p).Name()
		want, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		path := filepath.Join("schemas", name+".json")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the type says (%v): run go test -update in events", path, err)
		}
	}
}

type object = map[string]any

// schemaOf: additional properties are allowed everywhere, for events may be
// added to, and nothing that may be omitted is required.
func schemaOf(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[Runs]():
		return object{"type": "array", "items": object{"type": "integer", "minimum": 0}}
	case reflect.TypeFor[Date]():
		return object{"type": "string", "format": "date"}
	case reflect.TypeFor[Mode]():
		return object{"type": "string", "enum": Modes()}
	case reflect.TypeFor[Status]():
		return object{"type": "string", "enum": []Status{Successful, Failed}}
	case reflect.TypeFor[Cause]():
		return object{"type": "string", "enum": Causes()}
	case reflect.TypeFor[Evidence]():
		return object{"type": "integer", "minimum": 0, "maximum": 3}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice: // an empty Go slice may be written as null
		return object{"type": []string{"array", "null"}, "items": schemaOf(t.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	panic("no schema for " + t.String())
}

func structSchema(t reflect.Type) object {
	properties, required := object{}, []string{}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		properties[name] = schemaOf(field.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}
