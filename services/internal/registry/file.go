package registry

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"backupmonitor/events"
)

// OutletRow is a line of an outlets file.
type OutletRow struct {
	Line    int
	Code    string
	Address string
	Name    *string // nil where the file has no such column
	Active  *bool   // nil where the file has no such column, or an empty field
}

// The columns of an outlets file.
const (
	columnCode    = "outletcode"
	columnAddress = "ipaddress"
	columnName    = "outletname"
	columnActive  = "activedepot"

	maxFileBytes = 16 << 20
)

// ErrFile is wrapped by every error about the contents of an outlets file.
var ErrFile = errors.New("outlets file")

// ParseFile reads an outlets file: CSV in UTF-8, separated by commas or
// semicolons, with or without byte order mark. Its first line names the
// columns, OutletCode and IPAddress, and if wanted OutletName and ActiveDepot
// (Y or N), in any order and case. Every fault of every line is reported,
// joined, each wrapping ErrFile; there are rows only without any. An unknown
// column is a fault: a mistyped ActiveDepot would have closed outlets scanned.
func ParseFile(r io.Reader) ([]OutletRow, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the outlets file: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%w: it is larger than %d MiB", ErrFile, maxFileBytes>>20)
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, fmt.Errorf("%w: it is in UTF-16: save it as CSV UTF-8", ErrFile)
	}
	p := newParser(bytes.TrimPrefix(data, []byte("\ufeff")))
	if err := p.header(); err != nil {
		return nil, err
	}
	for p.next() {
	}
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return p.rows, nil
}

type parser struct {
	csv     *csv.Reader
	columns map[string]int
	width   int
	rows    []OutletRow
	seen    map[string]int // line, by events.Key
	faults  []error
}

func newParser(data []byte) *parser {
	c := csv.NewReader(bytes.NewReader(data))
	c.FieldsPerRecord = -1 // counted here, so that the error can tell what was expected
	c.TrimLeadingSpace = true
	first, _, _ := bufio.NewReaderSize(bytes.NewReader(data), 4096).ReadLine()
	if bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		c.Comma = ';'
	}
	return &parser{csv: c, columns: map[string]int{}, seen: map[string]int{}}
}

func (p *parser) fault(line int, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%w: line %d: %w", ErrFile, line, fmt.Errorf(format, args...)))
}

// header reads the names of the columns. Without them nothing else can be
// read.
func (p *parser) header() error {
	names, err := p.csv.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty: its first line must name the columns OutletCode,IPAddress", ErrFile)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	line, _ := p.csv.FieldPos(0)
	for i, n := range names {
		n = strings.ToLower(strings.TrimSpace(n))
		switch n {
		case columnCode, columnAddress, columnName, columnActive:
		default:
			p.fault(line, "unknown column %q: the columns are OutletCode, IPAddress, OutletName, ActiveDepot", names[i])
			continue
		}
		if _, twice := p.columns[n]; twice {
			p.fault(line, "column %q stands there twice", names[i])
		}
		p.columns[n] = i
	}
	for _, c := range [][2]string{{columnCode, "OutletCode"}, {columnAddress, "IPAddress"}} {
		if _, ok := p.columns[c[0]]; !ok {
			p.fault(line, "column %s is missing", c[1])
		}
	}
	p.width = len(names)
	return errors.Join(p.faults...)
}

// next reads one line and tells whether there may be more.
func (p *parser) next() bool {
	record, err := p.csv.Read()
	if errors.Is(err, io.EOF) {
		return false
	}
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		p.fault(bad.Line, "%w", bad.Err)
		return true
	}
	if err != nil {
		p.faults = append(p.faults, fmt.Errorf("%w: %w", ErrFile, err))
		return false
	}
	line, _ := p.csv.FieldPos(0)
	if blank(record) {
		return true
	}
	if len(record) != p.width {
		p.fault(line, "it has %d fields and not %d", len(record), p.width)
		return true
	}
	p.row(line, record)
	return true
}

func (p *parser) row(line int, record []string) {
	faults := len(p.faults)
	row := OutletRow{Line: line}
	var err error
	if row.Code, err = events.CleanCode(record[p.columns[columnCode]]); err != nil {
		p.fault(line, "%w", err)
	} else if first, twice := p.seen[events.Key(row.Code)]; twice {
		p.fault(line, "outlet %q stands already in line %d", row.Code, first)
	} else {
		p.seen[events.Key(row.Code)] = line
	}
	if row.Address, err = CleanAddress(record[p.columns[columnAddress]]); err != nil {
		p.fault(line, "%w", err)
	}
	if i, ok := p.columns[columnName]; ok {
		name, err := CleanName(record[i])
		if err != nil {
			p.fault(line, "%w", err)
		}
		row.Name = &name
	}
	if i, ok := p.columns[columnActive]; ok {
		row.Active, err = parseActive(record[i])
		if err != nil {
			p.fault(line, "%w", err)
		}
	}
	if len(p.faults) == faults {
		p.rows = append(p.rows, row)
	}
}

func parseActive(s string) (*bool, error) {
	var active bool
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "":
		return nil, nil
	case "Y":
		active = true
	case "N":
	default:
		return nil, fmt.Errorf("ActiveDepot is %q: use Y or N", s)
	}
	return &active, nil
}

func blank(record []string) bool {
	for _, f := range record {
		if strings.TrimSpace(f) != "" {
			return false
		}
	}
	return true
}
