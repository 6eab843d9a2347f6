"""What services of others answer: SOAP with its WSDL, a stub of Stripe, a feed of RSS."""

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from tests.sidecar.hosts.web_site import Site

WSDL = """<?xml version="1.0"?>
<definitions name="Sums" targetNamespace="urn:sums" xmlns:tns="urn:sums" xmlns="http://schemas.xmlsoap.org/wsdl/"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <types><xsd:schema targetNamespace="urn:sums">
    <xsd:element name="Add"><xsd:complexType><xsd:sequence>
      <xsd:element name="a" type="xsd:string"/><xsd:element name="b" type="xsd:int"/>
    </xsd:sequence></xsd:complexType></xsd:element>
    <xsd:element name="AddResponse"><xsd:complexType><xsd:sequence>
      <xsd:element name="sum" type="xsd:int"/>
    </xsd:sequence></xsd:complexType></xsd:element>
  </xsd:schema></types>
  <message name="AddIn"><part name="parameters" element="tns:Add"/></message>
  <message name="AddOut"><part name="parameters" element="tns:AddResponse"/></message>
  <portType name="SumsPort"><operation name="Add">
    <input message="tns:AddIn"/><output message="tns:AddOut"/>
  </operation></portType>
  <binding name="SumsBinding" type="tns:SumsPort">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Add"><soap:operation soapAction="urn:sums#Add"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>
    </operation>
  </binding>
  <service name="Sums"><port name="SumsPort" binding="tns:SumsBinding">
    <soap:address location="{url}"/>
  </port></service>
</definitions>"""
ENVELOPE = """<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{}\
</soap:Body></soap:Envelope>"""
FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><item><title>One</title>
<link>http://a.example/1</link><pubDate>Mon, 02 Jan 2023 10:00:00 GMT</pubDate></item></channel></rss>"""


async def answer(request: web.Request) -> web.StreamResponse:
    body = (await request.read()).decode()
    match request.path:
        case "/service" if request.method == "GET":
            url = f"http://{request.host}/service"
            return web.Response(text=WSDL.replace("{url}", url), content_type="text/xml")
        case "/service":
            return _sum(body)
        case "/v1/charges":
            return _charge(dict(parse_qsl(body)), request.headers)
        case "/feed":
            return web.Response(text=FEED, content_type="application/rss+xml")
        case "/waits":
            await asyncio.Event().wait()
    return web.Response(status=404, text="none")


def _sum(body: str) -> web.Response:
    first, second = (re.search(rf"<(?:\w+:)?{name}>([^<]*)<", body) for name in "ab")
    assert first is not None
    assert second is not None
    if first[1] == "fault":
        fault = "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>no number</faultstring></soap:Fault>"
        return web.Response(status=500, text=ENVELOPE.format(fault), content_type="text/xml")
    total = f'<AddResponse xmlns="urn:sums"><sum>{int(first[1]) + int(second[1])}</sum></AddResponse>'
    return web.Response(text=ENVELOPE.format(total), content_type="text/xml")


def _charge(sent: dict[str, str], headers: Mapping[str, str]) -> web.Response:
    if "source" not in sent:
        error = {"type": "card_error", "code": "missing", "message": "no card"}
        return web.json_response({"error": error}, status=402)
    told = {name: headers[name] for name in ("Authorization", "Idempotency-Key", "Content-Type")}
    return web.json_response({"id": "ch_1", "object": "charge", "amount": int(sent["amount"]), "sent": [sent, told]})


def serve(site: Site) -> None:
    """Have a site answer as these services."""
    site.handler = answer
