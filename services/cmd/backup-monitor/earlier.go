package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"backupmonitor/services/internal/adoption"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlserver"
)

// earlierDatabase is one of the original system, opened to be read.
type earlierDatabase interface {
	adoption.Source
	Close() error
}

// openEarlier opens the database of a DSN: sqlserver://…, or the path of an
// SQLite file. password is asked where the DSN has none. No error holds a part
// of the DSN that may be the password.
func openEarlier(ctx context.Context, dsn string, password func(user string) (string, error)) (earlierDatabase, error) {
	switch scheme, _, ok := strings.Cut(dsn, "://"); {
	case ok && strings.EqualFold(scheme, "sqlserver"):
		o, err := earlierOptions(dsn, password)
		if err == nil {
			_, err = o.DSN()
		}
		if err != nil {
			return nil, fmt.Errorf("--from: %w", err)
		}
		return sqlserver.Open(o)
	case ok && !strings.EqualFold(scheme, "sqlite"):
		return nil, errors.New("--from: use sqlserver://user@host?database=DBBAK, or the path of an SQLite file")
	case strings.Contains(dsn, ";") && strings.Contains(dsn, "="):
		return nil, errors.New("--from: write the connection string as sqlserver://user@host?database=DBBAK")
	case ok:
		dsn = dsn[len("sqlite://"):]
	}
	return sqlite.OpenEarlier(ctx, dsn)
}

// earlierOptions reads a DSN in the driver's URL form.
func earlierOptions(dsn string, password func(user string) (string, error)) (o sqlserver.Options, err error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Hostname() == "" || u.User.Username() == "" {
		return o, errors.New("it is not sqlserver://user@host?database=DBBAK; what is no letter or digit in user and password is written as %40") // err has the password
	}
	o = sqlserver.Options{Server: u.Host, Database: "DBBAK", Username: u.User.Username()}
	if instance := strings.Trim(u.Path, "/"); instance != "" {
		o.Server += `\` + instance
	}
	for name, values := range u.Query() {
		switch value := values[0]; strings.ToLower(name) {
		case "database":
			o.Database = cmp.Or(value, o.Database)
		case "encrypt":
			o.Encrypt = strings.ToLower(value)
		case "certificate":
			o.Certificate = value
		case "hostnameincertificate":
			o.HostNameInCertificate = value
		default:
			return o, fmt.Errorf("there is no parameter %q: use database, encrypt, certificate, hostNameInCertificate", name)
		}
	}
	switch o.Encrypt {
	case "", "disable", "true", "strict":
	default:
		return o, errors.New("encrypt is disable, true or strict")
	}
	var has bool
	if o.Password, has = u.User.Password(); !has {
		o.Password, err = password(o.Username)
	}
	return o, err
}
