package natstest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// contract is the module events, as it lies beside this one.
const contract = "../../../events"

// TestGoldenMessagesMatchTheirSchemas: what a foreign subscriber would check a
// message with accepts every golden message, and is not so lax that it accepts
// a message of another type.
func TestGoldenMessagesMatchTheirSchemas(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(contract, "schemas", "*.json"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d schemas, %v", len(files), err)
	}
	goldens, err := filepath.Glob(filepath.Join(contract, "testdata", "*.json"))
	if err != nil || len(goldens) < len(files) {
		t.Fatalf("%d golden messages, %v", len(goldens), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		s, err := c.Compile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range goldens {
			err := s.Validate(goldenData(t, filepath.Base(g)))
			if same := strings.HasPrefix(filepath.Base(g), name+"."); same != (err == nil) {
				t.Errorf("the message %s against the schema %s: %v", filepath.Base(g), name, err)
			}
		}
	}
}

func goldenData(t *testing.T, name string) any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(contract, "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(g.Data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAsyncAPIIsComplete: the description names every type, and every
// reference in it leads somewhere.
func TestAsyncAPIIsComplete(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(contract, "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	messages, _ := lookup(doc, "components/messages").(map[string]any)
	files, err := filepath.Glob(filepath.Join(contract, "schemas", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".json"); messages[name] == nil {
			t.Errorf("asyncapi.yaml does not name %s", name)
		}
	}
	if len(messages) != len(files) {
		t.Errorf("%d messages, %d schemas", len(messages), len(files))
	}
	checkRefs(t, doc, doc)
}

func checkRefs(t *testing.T, doc map[string]any, at any) {
	t.Helper()
	switch v := at.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			path, isLocal := strings.CutPrefix(ref, "#/")
			if isLocal && lookup(doc, path) == nil {
				t.Errorf("%s leads nowhere", ref)
			}
			if _, err := os.Stat(filepath.Join(contract, ref)); !isLocal && err != nil {
				t.Error(err)
			}
		}
		for _, x := range v {
			checkRefs(t, doc, x)
		}
	case []any:
		for _, x := range v {
			checkRefs(t, doc, x)
		}
	}
}

func lookup(doc map[string]any, path string) any {
	var at any = doc
	for key := range strings.SplitSeq(path, "/") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	return at
}
