package worker

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// Variables by which NVIDIA's software knows which devices a container is to see.
const (
	VariableCUDA   = "CUDA_VISIBLE_DEVICES"   // CUDA, in any process
	VariableNVIDIA = "NVIDIA_VISIBLE_DEVICES" // the runtime that gives devices to containers of images
)

// What shows nothing. To CUDA that is the empty value: without the variable it takes all.
// The runtime takes an empty one for none said, so that the image's own, which is "all" in
// those of CUDA, would hold.
const (
	noneToCUDA   = ""
	noneToNVIDIA = "void"
)

// showDevices tells NVIDIA's software of the devices that a container holds, in the order
// of BERTH_DEVICES. UUIDs are the same whoever counts and whatever is hidden; indices are
// not. Who holds none is shown none, for each belongs to somebody else, or will; unless
// its request says otherwise, as what watches all of a machine's devices does. Where no
// UUID is known, nothing is said.
func showDevices(env map[string]string, held []berth.DeviceShare, uuids map[string]string) {
	if len(uuids) == 0 {
		return
	}
	var visible []string
	for _, d := range held {
		// Parts of one device may be several shares: CUDA shows nothing of a list that has one twice.
		if uuid := uuids[d.Name]; uuid != "" && !slices.Contains(visible, uuid) {
			visible = append(visible, uuid)
		}
	}
	if len(visible) > 0 {
		list := strings.Join(visible, ",")
		env[VariableCUDA], env[VariableNVIDIA] = list, list
		return
	}
	for name, none := range map[string]string{VariableCUDA: noneToCUDA, VariableNVIDIA: noneToNVIDIA} {
		if _, own := env[name]; !own {
			env[name] = none
		}
	}
}

// maxUUIDBytes has room for that of a part of a device by its old name: MIG-GPU-, a UUID, and two numbers.
const maxUUIDBytes = 128

var uuidForm = regexp.MustCompile(`^(GPU|MIG)-[0-9A-Za-z/-]+$`)

// CheckUUID refuses what would be no list of one device, or would hide those behind it.
func CheckUUID(uuid string) error {
	if len(uuid) > maxUUIDBytes || !uuidForm.MatchString(uuid) {
		return &berth.FieldError{
			Field: "uuid", Value: uuid, Problem: "is not allowed", Bound: fmt.Sprintf("as nvidia-smi -L has it: GPU- or MIG-, then letters, digits, - and /, at most %d bytes", maxUUIDBytes),
		}
	}
	return nil
}
