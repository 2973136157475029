"""The releases of Windows that the lab can be, and what came with each."""

from __future__ import annotations

from sitekeeper_lab.windows.model import OperatingSystem


def operating_system(release: str, bias: int) -> OperatingSystem:
    """A machine's Windows by its name in the hierarchy file: ``2003``, ``2008 R2``, ``2012 R2`` or ``2016``.

    PowerShell is what such a site server usually has: 2.0 (KB968930 on 2003), 4.0, 5.1.

    Raises:
        KeyError: the lab does not know this release.

    """
    make = {
        "2003": OperatingSystem(
            caption="Microsoft(R) Windows(R) Server 2003 Standard x64 Edition",
            version="5.2.3790",
            service_pack="Service Pack 2",
            service_pack_major=2,
            powershell="2.0",
            clr="2.0.50727.3655",
            winrm_stack="2.0",
            install_date="2008-02-11T09:14:00+00:00",
        ),
        "2008 R2": OperatingSystem(
            caption="Microsoft Windows Server 2008 R2 Standard ",
            version="6.1.7601",
            service_pack="Service Pack 1",
            service_pack_major=1,
            powershell="2.0",
            clr="2.0.50727.5420",
            winrm_stack="2.0",
            install_date="2011-05-03T11:02:41+00:00",
        ),
        "2012 R2": OperatingSystem(
            caption="Microsoft Windows Server 2012 R2 Standard",
            version="6.3.9600",
            service_pack=None,
            service_pack_major=0,
            powershell="4.0",
            clr="4.0.30319.34014",
            winrm_stack="3.0",
            install_date="2014-06-17T08:30:05+00:00",
        ),
        "2016": OperatingSystem(
            caption="Microsoft Windows Server 2016 Standard",
            version="10.0.14393",
            service_pack=None,
            service_pack_major=0,
            powershell="5.1",
            clr="4.0.30319.42000",
            winrm_stack="3.0",
            install_date="2018-11-23T17:24:14+00:00",
        ),
    }
    system = make[release]
    system.bias = bias
    return system
