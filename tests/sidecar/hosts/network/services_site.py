"""What services of others answer: SOAP with its WSDL, a stub of Stripe, a feed of RSS, Help Scout and Elastic Email."""

import asyncio
import json
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
_PART = re.compile(r'name="(\w+)"\r\n\r\n(.*?)\r\n--', re.DOTALL)


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
        case path if path.startswith("/help-scout/v2/"):
            return _help_scout(request, path.removeprefix("/help-scout/v2/"), body)
        case path if path.startswith("/elastic/v2/"):
            return _elastic(path.removeprefix("/elastic/v2/"), dict(_PART.findall(body)))
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


def _help_scout(request: web.Request, path: str, body: str) -> web.Response:
    """As https://developer.helpscout.com/mailbox-api/ has it; a token is one of who has asked for it."""
    if path == "oauth2/token":
        client = request.query["client_id"]
        if client == "nobody":
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"token_type": "bearer", "access_token": f"of {client}", "expires_in": 7200})
    told = [request.method, request.headers["Authorization"], request.headers["Content-Type"], body]
    match request.method, path:
        case "GET", "conversations":
            page = int(request.query["page"])
            listed = [{"id": 10 * page + number, "status": request.query["status"]} for number in range(2)]
            return web.json_response({"_embedded": {"conversations": listed}, "page": {"totalPages": 2}})
        case "GET", "mailboxes":
            return web.json_response({"page": {"totalPages": 0}})
        case "GET", "conversations/11":
            return web.json_response({"id": 11, "embed": request.query.getall("embed"), "told": told})
        case "POST", "conversations/11/notes" | "customers":
            return web.json_response(None, status=201, headers={"Resource-ID": str(len(body))})
        case (("PUT" | "PATCH" | "DELETE"), "customers/7"):
            return web.Response(status=204)
        case "PUT", "raw":
            return web.json_response(told)
    return web.json_response({"logRef": "1", "message": "Not Found"}, status=404)


def _elastic(path: str, sent: dict[str, str]) -> web.Response:
    """As https://api.elasticemail.com/public/help has it: what is refused is so with status 200."""
    if path == "email/status":
        return web.Response(status=500, text="down")
    if sent.pop("apikey", "") != "key":
        return web.json_response({"success": False, "error": "Incorrect apikey"})
    return web.json_response({"success": True, "data": {"path": path, "sent": json.dumps(sent, sort_keys=True)}})


def serve(site: Site) -> None:
    """Have a site answer as these services."""
    site.handler = answer
