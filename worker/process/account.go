package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/worker"
	"github.com/berthd/berth/worker/shim"
)

// account is whom a container runs as.
type account struct {
	name, home string
	credential *shim.Account // nil: as the agent
}

// accountOf reads a name, name:group, uid or uid:gid; empty is the agent's own.
// An account that this machine does not have, or may not give, is a failed start:
// the request is tried elsewhere, as often as its retry policy says.
func (r *Runtime) accountOf(text string) (account, error) {
	if text == "" {
		return r.own, nil
	}
	name, group, grouped := strings.Cut(text, ":")
	who, uid, gid, groups, err := lookUpUser(name)
	if err != nil {
		return account{}, unknownOf(fmt.Errorf("user %q: %w", text, err))
	}
	if grouped {
		if gid, err = lookUpGroup(group); err != nil {
			return account{}, unknownOf(fmt.Errorf("user %q: %w", text, err))
		}
		groups = nil
	}
	if int(uid) == os.Geteuid() && int(gid) == os.Getegid() {
		return who, nil
	}
	if os.Geteuid() != 0 {
		return account{}, &worker.RequestFault{Code: berth.CodeCannotRun, Err: fmt.Errorf("user %q: this agent is not root, and cannot run as another user", text)}
	}
	who.credential = &shim.Account{UID: uid, GID: gid, Groups: groups}
	return who, nil
}

// unknownOf tells a name that this machine does not have from one that it cannot look up.
func unknownOf(err error) error {
	_, noUser := errors.AsType[user.UnknownUserError](err)
	_, noGroup := errors.AsType[user.UnknownGroupError](err)
	if noUser || noGroup {
		return &worker.RequestFault{Code: berth.CodeNotFound, Err: err}
	}
	return err
}

func ownAccount() account {
	a := account{name: strconv.Itoa(os.Geteuid()), home: "/"}
	if u, err := user.LookupId(a.name); err == nil {
		a.name, a.home = u.Username, u.HomeDir
	}
	return a
}

func lookUpUser(name string) (account, uint32, uint32, []uint32, error) {
	u, err := user.Lookup(name)
	if err != nil {
		id, numeric := number(name)
		if !numeric {
			return account{}, 0, 0, nil, err
		}
		if u, err = user.LookupId(name); err != nil {
			return account{name: name, home: "/"}, id, id, nil, nil // an id needs no entry
		}
	}
	uid, _ := number(u.Uid)
	gid, _ := number(u.Gid)
	var groups []uint32
	ids, err := u.GroupIds()
	if err != nil {
		return account{}, 0, 0, nil, fmt.Errorf("its groups: %w", err)
	}
	for _, text := range ids {
		if id, ok := number(text); ok {
			groups = append(groups, id)
		}
	}
	return account{name: u.Username, home: u.HomeDir}, uid, gid, groups, nil
}

func lookUpGroup(name string) (uint32, error) {
	if id, ok := number(name); ok {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	id, _ := number(g.Gid)
	return id, nil
}

// number reads an id. -1 means "unchanged" to the kernel, so it is none.
func number(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n < 1<<32-1
}
