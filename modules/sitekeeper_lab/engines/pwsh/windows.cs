// Cmdlets of Windows for a PowerShell on Linux: each asks the lab, over its socket, and writes what it answers.
// The classes themselves are made from the lab's own table of cmdlets and follow this text.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Management.Automation;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Sitekeeper.Lab
{
    public static class Windows
    {
        private static readonly object Gate = new object();
        private static StreamReader reader;
        private static StreamWriter writer;

        public static string Ask(string request)
        {
            lock (Gate)
            {
                if (reader == null)
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    socket.Connect(new UnixDomainSocketEndPoint(Environment.GetEnvironmentVariable("SITEKEEPER_LAB_WINDOWS")));
                    var stream = new NetworkStream(socket, true);
                    reader = new StreamReader(stream, new UTF8Encoding(false));
                    writer = new StreamWriter(stream, new UTF8Encoding(false)) { AutoFlush = true };
                }
                writer.Write(request + "\n");
                var answer = reader.ReadLine();
                if (answer == null) throw new IOException("the lab is gone");
                using (var read = JsonDocument.Parse(answer))
                {
                    if (read.RootElement.TryGetProperty("broken", out var text)) throw new IOException("emulator: " + text.GetString());
                }
                return answer;
            }
        }
    }

    public abstract class WindowsCmdlet : PSCmdlet
    {
        private static readonly HashSet<string> Common = new HashSet<string>(CommonParameters);

        // Its name on Windows.
        protected abstract string Asked { get; }

        protected override void EndProcessing()
        {
            var given = new Dictionary<string, object>();
            foreach (var one in MyInvocation.BoundParameters)
            {
                if (!Common.Contains(one.Key)) given[one.Key] = Plain(one.Value);
            }
            var request = new Dictionary<string, object> { ["cmdlet"] = Asked, ["parameters"] = given };
            using (var answer = JsonDocument.Parse(Windows.Ask(JsonSerializer.Serialize(request))))
            {
                foreach (var one in answer.RootElement.GetProperty("output").EnumerateArray()) WriteObject(Read(one.GetString()));
                foreach (var one in answer.RootElement.GetProperty("errors").EnumerateArray()) WriteError(Record(one));
                var failed = answer.RootElement.GetProperty("failed");
                if (failed.ValueKind != JsonValueKind.Null) ThrowTerminatingError(Record(failed));
            }
        }

        private static object Plain(object value)
        {
            if (value is PSObject wrapped) value = wrapped.BaseObject;
            if (value is SwitchParameter given) return given.ToBool();
            if (value is Array many)
            {
                var items = new List<object>();
                foreach (var one in many) items.Add(Plain(one));
                return items;
            }
            return value;
        }

        private static object Read(string clixml)
        {
            var value = PSSerializer.Deserialize("<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">" + clixml + "</Objs>");
            // It was never serialized on Windows: it is the live object there.
            if (value is PSObject found && found.TypeNames.Count > 0 && found.TypeNames[0].StartsWith("Deserialized."))
            {
                for (var i = 0; i < found.TypeNames.Count; i++) found.TypeNames[i] = found.TypeNames[i].Replace("Deserialized.", "");
            }
            return value;
        }

        private static ErrorRecord Record(JsonElement one)
        {
            var target = one.GetProperty("target");
            return new ErrorRecord(
                Failure(one.GetProperty("exception").GetString(), one.GetProperty("message").GetString()),
                one.GetProperty("id").GetString(),
                (ErrorCategory)one.GetProperty("category").GetInt32(),
                target.ValueKind == JsonValueKind.Null ? null : target.GetString());
        }

        private static Exception Failure(string type, string message)
        {
            var found = typeof(PSObject).Assembly.GetType(type);
            if (found != null && found.GetConstructor(new[] { typeof(string) }) != null) return (Exception)Activator.CreateInstance(found, message);
            return new RuntimeException(message);  // of an assembly that Linux lacks
        }
    }

    // The real one exists here, and says that this platform is not supported.
    public static class ManagementDateTimeConverter
    {
        public static DateTime ToDateTime(string text)
        {
            var local = DateTime.ParseExact(text.Substring(0, 21), "yyyyMMddHHmmss.ffffff", CultureInfo.InvariantCulture);
            var minutes = int.Parse(text.Substring(21), CultureInfo.InvariantCulture);
            return DateTime.SpecifyKind(local.AddMinutes(-minutes), DateTimeKind.Utc).ToLocalTime();
        }
    }
}
