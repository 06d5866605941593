package smbserver

import (
	"io"
	"time"
)

// Host is the machine a server stands for. Its methods are called from many goroutines at once and must not block.
type Host interface {
	// Name is the machine's NetBIOS name, at most 15 characters.
	Name() string
	// Clock is the machine's own time, which need not be right. The zero time makes the server tell none.
	Clock() time.Time
	// Account says what is known of a user; ok is false for a user the machine does not know.
	Account(user string) (account Account, ok bool)
	// Share opens a share by its name, in any case. It fails with a [Status]; StatusBadNetworkName if there is none.
	Share(name string) (Volume, error)
}

// Account is a user who may sign in.
type Account struct {
	Password string
	// Refusal, if set, is the answer to the right password, for example StatusAccountLockedOut.
	Refusal Status
}

// Volume is what a share shows: a tree of folders and files with the space of the disk under it.
type Volume interface {
	// Space gives free and total bytes; they are told in clusters of 4096 bytes, rounded down.
	Space() (free, total int64)
	// Open finds a folder or file by its path below the share: components joined by a backslash, in any case, empty for
	// the root. It fails with a [Status]. What the node shows does not change while it is open.
	Open(path string) (Node, error)
}

// Entry is what a folder shows of one folder or file in it. Times are told with a resolution of 100 ns.
type Entry struct {
	Name     string
	Dir      bool
	Size     int64 // bytes
	Created  time.Time
	Modified time.Time
}

// Node is an opened folder or file.
type Node struct {
	Entry
	// Entries are a folder's; "." and ".." are not among them.
	Entries Listing
	// Content is a file's; nil reads as zeros. No byte beyond Size is ever asked for.
	Content io.ReaderAt
}

// Listing is a fixed sequence of entries, which may be made on demand: asking twice for the same index gives the same
// entry.
type Listing interface {
	Len() int
	Entry(i int) Entry
}
