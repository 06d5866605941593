package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

// text writes rows in a form that tests can compare.
func text(rows []registry.OutletRow) []string {
	var all []string
	for _, r := range rows {
		s := fmt.Sprintf("%d %s %s", r.Line, r.Code, r.Address)
		if r.Name != nil {
			s += fmt.Sprintf(" %q", *r.Name)
		}
		if r.Active != nil {
			s += fmt.Sprintf(" %v", *r.Active)
		}
		all = append(all, s)
	}
	return all
}

func TestParseFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"two columns", "OutletCode,IPAddress\nA1,10.0.0.1\nA2,10.0.0.2:4450\n", []string{"2 A1 10.0.0.1", "3 A2 10.0.0.2:4450"}},
		{"all columns, any order and case", "activedepot,OUTLETNAME,IpAddress,outletcode\ny,Main street,srv-1.example,A1\nN,,10.0.0.2,A2\n,x,10.0.0.3,A3",
			[]string{`2 A1 srv-1.example "Main street" true`, `3 A2 10.0.0.2 "" false`, `4 A3 10.0.0.3 "x"`}},
		{"byte order mark, CRLF, semicolons, blanks", "\ufeffOutletCode; IPAddress ;OutletName\r\n A1 ; 10.0.0.1 ; \"Shop; \"\"North\"\"\"\r\n\r\n;;\r\nA2;10.0.0.2;Süd\r\n",
			[]string{`2 A1 10.0.0.1 "Shop; \"North\""`, `5 A2 10.0.0.2 "Süd"`}},
		{"header alone", "OutletCode,IPAddress", nil},
	} {
		rows, err := registry.ParseFile(strings.NewReader(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := text(rows); !slices.Equal(got, c.want) {
			t.Errorf("%s: rows are\n%q, want\n%q", c.name, got, c.want)
		}
	}
}

func TestParseFileReportsEveryFault(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 101)
	file := "OutletCode,IPAddress,OutletName,ActiveDepot\n" +
		"A1,10.0.0.1,x,Y\n" +
		"a1,10.0.0.2,x,Y\n" +
		",10.0.0.3,x,Y\n" +
		"A4,10.0.0.256," + long + ",maybe\n" +
		"A5,10.0.0.5\n" +
		"A6,\"10.0.0.6\"x,x,Y\n" +
		strings.Repeat("C", 51) + ",10.0.0.7,x,N\n"
	rows, err := registry.ParseFile(strings.NewReader(file))
	if rows != nil || !errors.Is(err, registry.ErrFile) {
		t.Fatalf("rows %v, error %v", rows, err)
	}
	for i, want := range []string{
		`line 3: outlet "a1" stands already in line 2`,
		"line 4: bad outlet code: it is empty",
		`line 5: "10.0.0.256" is not an IP address`,
		"line 5: the name has more than 100 characters",
		`line 5: ActiveDepot is "maybe": use Y or N`,
		"line 6: it has 2 fields and not 4",
		"line 7: ",
		"line 8: bad outlet code",
	} {
		lines := strings.Split(err.Error(), "\n")
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("fault %d is missing: %q, in\n%v", i, want, err)
		}
	}
}

func TestParseFileRefusesWhatIsNoOutletsFile(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"empty":              "",
		"no header":          "A1,10.0.0.1\n",
		"a column missing":   "OutletCode,OutletName\n",
		"a column twice":     "OutletCode,IPAddress,outletcode\n",
		"a mistyped column":  "OutletCode,IPAddress,ActiveDept\n",
		"UTF-16":             "\xff\xfeO\x00",
		"not UTF-8":          "OutletCode,IPAddress,OutletName\nA1,10.0.0.1,S\xfcd\n",
		"an open quote":      "OutletCode,IPAddress\n\"A1,10.0.0.1\n",
		"larger than 16 MiB": "OutletCode,IPAddress\n" + strings.Repeat("\n", 16<<20),
	} {
		if rows, err := registry.ParseFile(strings.NewReader(file)); !errors.Is(err, registry.ErrFile) || rows != nil {
			t.Errorf("%s: rows %v, error %v", name, rows, err)
		}
	}
	broken := errors.New("broken")
	if _, err := registry.ParseFile(failing{broken}); !errors.Is(err, broken) || errors.Is(err, registry.ErrFile) {
		t.Errorf("a file that cannot be read: error %v", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestCleanAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\t10.0.0.1\n": "10.0.0.1", "10.0.0.1:445": "10.0.0.1:445", "fe80::1": "fe80::1", "fe80::1%eth0": "fe80::1%eth0", "[fe80::1%2]:445": "[fe80::1%2]:445", "[2001:db8::1]:445": "[2001:db8::1]:445",
		"srv": "srv", "SRV_1.shop.example.": "SRV_1.shop.example.", "1srv:65535": "1srv:65535", "7-eleven": "7-eleven",
	} {
		if got, err := registry.CleanAddress(in); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "10.0.0", "10.0.0.256", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:", ":445", "[::1]", "0.0.0.0", "::", "a b", "-srv", "srv-",
		"a..b", "12345", `\\srv`, "srv/d$", "smb://srv", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "b", "süd", "srv:445:1",
		"fe80::1%\x1b[31m", "fe80::1%a\r\nb", "[fe80::1%a b]:445", "fe80::1%a:b",
	} {
		if got, err := registry.CleanAddress(in); err == nil {
			t.Errorf("%q passed as %q", in, got)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	got, err := registry.Clean(events.OutletChanged{Code: " a1 ", Address: " srv ", Name: " x ", Group: " g "})
	if want := (events.OutletChanged{Code: "a1", Address: "srv", Name: "x", Group: "g"}); err != nil || got != want {
		t.Errorf("cleaned to %+v (%v)", got, err)
	}
	negative, never := int64(-1), time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)
	_, err = registry.Clean(events.OutletChanged{Name: "a\x00b", Group: "\xff", MaxAgeSeconds: &negative, PausedUntil: &never})
	if err == nil || len(strings.Split(err.Error(), "\n")) != 6 {
		t.Errorf("six faults are %v", err)
	}
}

// TestCleanPause: what is a year of four digits in its own zone may be none in
// UTC.
func TestCleanPause(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"0000-12-31T23:59:59Z": false, "0001-01-01T00:00:00+01:00": false, "0001-01-01T00:00:00Z": true, "2025-03-01T00:00:00+05:00": true,
		"9999-12-31T23:59:59Z": true, "9999-12-31T23:59:59-05:00": false,
	} {
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := registry.Clean(events.OutletChanged{Code: "a1", Address: "srv", PausedUntil: &until}); (err == nil) != good {
			t.Errorf("%s: %v, want good %t", text, err, good)
		}
	}
}

// FuzzParseFile: whatever stands in a file, there are either faults or rows
// that can be outlets, none of them twice.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"OutletCode,IPAddress\nA1,10.0.0.1\n", "\ufeffoutletcode;ipaddress;activedepot\r\nA;b:1;Y\r\n",
		"OutletCode,IPAddress,OutletName\n\"A\"\"1\",x,\"a\nb\"\n", "OutletCode,IPAddress\na,b\nA,c", "\"", ";;;", "\xff\xfe",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := registry.ParseFile(bytes.NewReader(data))
		if err != nil {
			if rows != nil || !errors.Is(err, registry.ErrFile) {
				t.Fatalf("rows %v with error %v", rows, err)
			}
			return
		}
		seen := map[string]bool{}
		for _, r := range rows {
			o := events.OutletChanged{Code: r.Code, Address: r.Address}
			if r.Name != nil {
				o.Name = *r.Name
			}
			if clean, err := registry.Clean(o); err != nil || clean != o || seen[events.Key(r.Code)] || r.Line < 2 {
				t.Fatalf("row %+v: %v", r, err)
			}
			seen[events.Key(r.Code)] = true
		}
	})
}
