// Package config reads the settings: from the process environment, which
// wins, and from a .env file. Names are the original system's where it had
// them.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/schedule"
)

// Config is every setting. The tag env is its name; secret marks what is never
// shown and may come from a file named by <NAME>_FILE.
type Config struct {
	DBServer   string `env:"DB_SERVER"`
	DBDatabase string `env:"DB_DATABASE" envDefault:"DBBAK"`
	DBUsername string `env:"DB_USERNAME"`
	DBPassword string `env:"DB_PASSWORD" secret:"true"`
	DBEncrypt  string `env:"DB_ENCRYPT" envDefault:"true"`
	// DBCertificate is the path of a PEM file that the server's certificate is
	// checked against; DBHostNameInCertificate the name that it is for, where
	// that is not the server's.
	DBCertificate           string `env:"DB_CERTIFICATE"`
	DBHostNameInCertificate string `env:"DB_HOSTNAME_IN_CERTIFICATE"`
	LegacyTZ                string `env:"LEGACY_TZ" envDefault:"UTC"`

	Share  string `env:"SHARE" envDefault:"d$"`
	Folder string `env:"FOLDER" envDefault:"BackupFull"`
	User   string `env:"USER"`
	Pass   string `env:"PASS" secret:"true"`

	SMBUser         string   `env:"SMB_USER"` // empty: as USER
	SMBPass         string   `env:"SMB_PASS" secret:"true"`
	IBStorageDrives []string `env:"IB_STORAGE_DRIVES" envDefault:"e$,f$,g$,h$,i$"`
	IBStorageFolder string   `env:"IB_STORAGE_FOLDER" envDefault:"BackupFull"`
	SMBDomain       string   `env:"SMB_DOMAIN"`
	SMBPort         int      `env:"SMB_PORT" envDefault:"445"`

	JWTSecretKey         string   `env:"JWT_SECRET_KEY" secret:"true"`
	JWTSecretKeyPrevious string   `env:"JWT_SECRET_KEY_PREVIOUS" secret:"true"` // still verifies, while a key is changed
	JWTExpirationHours   int      `env:"JWT_EXPIRATION_HOURS" envDefault:"8"`
	CORSOrigins          []string `env:"CORS_ORIGINS"`
	AdminUserID          string   `env:"ADMIN_USER_ID" envDefault:"admin"`
	AdminPassword        string   `env:"ADMIN_PASSWORD" secret:"true"`
	ScanPublic           bool     `env:"SCAN_PUBLIC" envDefault:"false"`
	TLSCert              string   `env:"TLS_CERT"`
	TLSKey               string   `env:"TLS_KEY"`
	TrustedProxies       []string `env:"TRUSTED_PROXIES"`

	TZ          string `env:"TZ"`
	HTTPAddr    string `env:"HTTP_ADDR" envDefault:":3004"`
	DataDir     string `env:"DATA_DIR" envDefault:"./data"`
	LogDir      string `env:"LOG_DIR" envDefault:"./logs"`
	ArchiveDir  string `env:"ARCHIVE_DIR"` // empty: archive in DATA_DIR
	NATSURL     string `env:"NATS_URL" secret:"url"`
	NATSListen  string `env:"NATS_LISTEN"`
	OutletsFile string `env:"OUTLETS_FILE"`

	ProbeConcurrency int           `env:"PROBE_CONCURRENCY" envDefault:"128"`
	ProbeTimeout     time.Duration `env:"PROBE_TIMEOUT" envDefault:"30s"`
	ProbeAttempts    int           `env:"PROBE_ATTEMPTS" envDefault:"2"`
	DialTimeout      time.Duration `env:"DIAL_TIMEOUT" envDefault:"5s"`
	ScanDeadline     time.Duration `env:"SCAN_DEADLINE" envDefault:"2h"`
	EventsMaxBytes   Size          `env:"EVENTS_MAX_BYTES" envDefault:"100GiB"`

	// The first state of schedule and policy; what is in the log wins.
	BackupMaxAge   time.Duration `env:"BACKUP_MAX_AGE" envDefault:"26h" first:"true"`
	MinBackupSize  Size          `env:"MIN_BACKUP_SIZE" envDefault:"1KiB" first:"true"`
	BackupPatterns []string      `env:"BACKUP_PATTERNS" envDefault:"*.bak" first:"true"`
	ScanInterval   time.Duration `env:"SCAN_INTERVAL" envDefault:"1h" first:"true"`
	ScanHours      string        `env:"SCAN_HOURS" envDefault:"00:00-24:00" first:"true"`
	ScanDays       string        `env:"SCAN_DAYS" envDefault:"Sun-Sat" first:"true"`

	sources    map[string]string
	zone       *time.Location
	legacyZone *time.Location
}

// Zone decides which day it is: TZ, or the machine's own.
func (c *Config) Zone() *time.Location { return c.zone }

// LegacyZone is that of the times in rows from before the log.
func (c *Config) LegacyZone() *time.Location { return c.legacyZone }

// sameDomainAccount tells whether both modes sign in with one account of a
// domain.
func (c *Config) sameDomainAccount() bool {
	inDomain := c.SMBDomain != "" || strings.ContainsAny(c.User, `\@`)
	return inDomain && !strings.HasPrefix(c.User, `.\`) && strings.EqualFold(c.User, c.SMBUser)
}

// Archives is the directory of what was taken out of the log.
func (c *Config) Archives() string {
	if c.ArchiveDir == "" {
		return filepath.Join(c.DataDir, "archive")
	}
	return c.ArchiveDir
}

// Policy is the first state of what looks are judged by.
func (c *Config) Policy() events.Policy {
	return events.Policy{
		MaxAgeSeconds: int64(c.BackupMaxAge / time.Second),
		MinSizeBytes:  int64(c.MinBackupSize),
		Patterns:      c.BackupPatterns,
	}
}

// Schedule is the first state of when scans start by themselves.
func (c *Config) Schedule() events.Schedule {
	from, to, _ := strings.Cut(c.ScanHours, "-")
	days, _ := parseDays(c.ScanDays) // validate has refused a bad one
	return events.Schedule{IntervalSeconds: int64(c.ScanInterval / time.Second), From: from, To: to, Days: days}
}

// validate returns one sentence for each bad value.
func (c *Config) validate() []string {
	var bad []string
	check := func(ok bool, name, format string, args ...any) {
		if !ok {
			bad = append(bad, name+": "+fmt.Sprintf(format, args...))
		}
	}
	check(c.SMBPort > 0 && c.SMBPort < 1<<16, "SMB_PORT", "%d is not a port: use 1 to 65535", c.SMBPort)
	check(c.Share != "", "SHARE", "is empty: name the share of drive D, as d$")
	check(len(c.IBStorageDrives) > 0 && !slices.Contains(c.IBStorageDrives, ""), "IB_STORAGE_DRIVES", "list the shares of the USB drives, as e$,f$,g$")
	check(c.JWTExpirationHours > 0 && c.JWTExpirationHours <= 24*366, "JWT_EXPIRATION_HOURS", "%d is not between 1 and %d", c.JWTExpirationHours, 24*366)
	check(c.JWTSecretKey == "" || len(c.JWTSecretKey) >= 32, "JWT_SECRET_KEY", "has %d bytes: use 32 or more", len(c.JWTSecretKey))
	check(c.JWTSecretKeyPrevious == "" || len(c.JWTSecretKeyPrevious) >= 32, "JWT_SECRET_KEY_PREVIOUS", "has %d bytes: use 32 or more", len(c.JWTSecretKeyPrevious))
	check((c.TLSCert == "") == (c.TLSKey == ""), "TLS_CERT", "TLS_CERT and TLS_KEY belong together: set both or neither")
	for _, p := range c.TrustedProxies {
		check(isNetwork(p), "TRUSTED_PROXIES", "%q is neither an address nor a network, as 10.0.0.5 or 10.0.0.0/8", p)
	}
	check(c.AdminUserID != "" && len(c.AdminUserID) <= 20, "ADMIN_USER_ID", "must have 1 to 20 characters")
	check(len(c.AdminPassword) <= 72, "ADMIN_PASSWORD", "has over 72 bytes, which bcrypt cannot tell apart")
	check(isListenAddr(c.HTTPAddr), "HTTP_ADDR", "%q is not host:port, as :3004 or 127.0.0.1:3004", c.HTTPAddr)
	check(c.NATSListen == "" || isListenAddr(c.NATSListen), "NATS_LISTEN", "%q is not host:port", c.NATSListen)
	check(c.ProbeConcurrency > 0 && c.ProbeConcurrency <= 10000, "PROBE_CONCURRENCY", "%d is not between 1 and 10000", c.ProbeConcurrency)
	check(c.ProbeAttempts > 0 && c.ProbeAttempts <= 10, "PROBE_ATTEMPTS", "%d is not between 1 and 10", c.ProbeAttempts)
	check(c.ProbeTimeout >= time.Second && c.ProbeTimeout <= time.Hour, "PROBE_TIMEOUT", "%s is not between 1s and 1h", c.ProbeTimeout)
	check(c.DialTimeout >= 100*time.Millisecond && c.DialTimeout <= c.ProbeTimeout, "DIAL_TIMEOUT", "%s is not between 100ms and PROBE_TIMEOUT", c.DialTimeout)
	check(c.ScanDeadline >= time.Second && c.ScanDeadline <= 24*time.Hour, "SCAN_DEADLINE", "%s is not between 1s and 24h", c.ScanDeadline)
	check(c.EventsMaxBytes >= 1<<20, "EVENTS_MAX_BYTES", "%s is under 1MiB", c.EventsMaxBytes)
	check(c.BackupMaxAge >= 0, "BACKUP_MAX_AGE", "%s is negative; 0 turns the rule off", c.BackupMaxAge)
	check(c.MinBackupSize >= 0, "MIN_BACKUP_SIZE", "is negative")
	check(len(c.BackupPatterns) > 0 && !slices.Contains(c.BackupPatterns, ""), "BACKUP_PATTERNS", "list file name patterns, as *.bak")
	check(c.ScanInterval == 0 || c.ScanInterval >= time.Minute && c.ScanInterval <= 24*time.Hour, "SCAN_INTERVAL", "%s is not between 1m and 24h; 0 turns the schedule off", c.ScanInterval)
	_, err := parseDays(c.ScanDays)
	check(err == nil, "SCAN_DAYS", "%v", err)
	from, to, _ := strings.Cut(c.ScanHours, "-")
	err = schedule.Check(events.Schedule{IntervalSeconds: 3600, From: from, To: to, Days: []int{1}})
	check(err == nil, "SCAN_HOURS", "%q is not HH:MM-HH:MM, as 06:00-23:00", c.ScanHours)
	for _, o := range c.CORSOrigins {
		u, err := url.Parse(o)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "", "CORS_ORIGINS", "%q is not an origin, as http://localhost:3004", o)
	}
	check((c.User == "") == (c.Pass == ""), "USER", "USER and PASS belong together: set both or neither")
	check(c.SMBPass == "" || c.Pass == c.SMBPass || !c.sameDomainAccount(), "SMB_PASS", "it differs from PASS, for the same account of a domain: one of them is wrong, and would lock it")
	check((c.SMBUser == "") == (c.SMBPass == ""), "SMB_USER", "SMB_USER and SMB_PASS belong together: set both or neither")
	check(slices.Contains([]string{"disable", "true", "strict"}, c.DBEncrypt), "DB_ENCRYPT", "%q is none of disable, true, strict", c.DBEncrypt)
	if u, err := url.Parse(c.NATSURL); c.NATSURL != "" {
		check(err == nil && u.Host != "", "NATS_URL", "is not nats://user:password@host:port")
	}
	if c.DBServer != "" {
		check(c.DBUsername != "" && c.DBPassword != "", "DB_USERNAME", "DB_SERVER needs DB_USERNAME and DB_PASSWORD")
		check(isDatabaseServer(c.DBServer), "DB_SERVER", "%q is none of host, host:port, host,port and host\\instance", c.DBServer)
		check(c.DBEncrypt != "disable" || c.DBCertificate == "" && c.DBHostNameInCertificate == "", "DB_CERTIFICATE", "is of no use with DB_ENCRYPT=disable")
	}
	c.legacyZone, err = zoneOf(c.LegacyTZ)
	check(err == nil, "LEGACY_TZ", "%q is no time zone, as Europe/Berlin", c.LegacyTZ)
	c.zone, err = zoneOf(c.TZ)
	check(err == nil, "TZ", "%q is no time zone, as Europe/Berlin", c.TZ)
	return bad
}

func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	return time.LoadLocation(strings.TrimPrefix(name, ":"))
}

// isDatabaseServer tells whether s is host, host:port, host,port or
// host\instance.
func isDatabaseServer(s string) bool {
	host, instance, named := strings.Cut(s, `\`)
	host, port, comma := strings.Cut(strings.Replace(host, ":", ",", 1), ",")
	if strings.TrimSpace(host) == "" || strings.ContainsAny(host, "/@?#") || named && (strings.TrimSpace(instance) == "" || comma) {
		return false
	}
	if !comma {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	return err == nil && n > 0
}

func isListenAddr(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n < 1<<16
}

func isNetwork(s string) bool {
	_, err := netip.ParsePrefix(s)
	if err != nil {
		_, err = netip.ParseAddr(s)
	}
	return err == nil
}

// parseDays reads Mon-Fri, or Mon,Wed,Sat, or both mixed. Days go 0 Sunday to
// 6 Saturday; a range may run over the end of the week.
func parseDays(s string) ([]int, error) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	day := func(s string) (int, error) {
		if i := slices.Index(names, strings.ToLower(strings.TrimSpace(s))); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("%q is no day: use Sun Mon Tue Wed Thu Fri Sat", s)
	}
	var days []int
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := day(first)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = day(last); err != nil {
				return nil, err
			}
		}
		for d := a; ; d = (d + 1) % 7 {
			days = append(days, d)
			if d == b {
				break
			}
		}
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}
